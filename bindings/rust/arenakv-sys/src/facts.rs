//! facts.rs: what the modules declare, against what the C compiler measured in the headers (tests/abi/facts.golden.json
//! of the source tree; a packaged crate has no such file, and says so). It knows how C's types are written in Rust.
use serde_json::Value;
use std::{format, println, string::String, vec::Vec};

pub(crate) struct Declared {
    pub constants: &'static [(&'static str, i128)],
    pub structs: &'static [Struct],
    pub functions: &'static [Function],
}

pub(crate) struct Struct {
    pub name: &'static str,
    pub size: usize,
    pub align: usize,
    pub fields: &'static [Field],
}

pub(crate) struct Field {
    pub name: &'static str,
    pub is: &'static str,
    pub offset: usize,
    pub size: usize,
}

pub(crate) struct Function {
    pub name: &'static str,
    pub parameters: &'static [&'static str],
    pub returns: &'static str,
}

macro_rules! declared {
    ($($module:ident)*) => { [$(crate::$module::DECLARED),*] };
}

fn declared() -> [Declared; 29] {
    declared!(arena attention base cache copy copy_image copy_pager copy_tensor copy_two_tier geometry host image memory
        model plan planner prefix report sequence state status step store stream swap ticket two_tier version view)
}

fn golden() -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/abi/facts.golden.json");
    match std::fs::read_to_string(path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("facts.golden.json is JSON")),
        Err(error) => {
            println!("skipped: {path}: {error}");
            None
        }
    }
}

/// A type of the headers as these modules write it.
fn in_rust(c_type: &str) -> String {
    let text = c_type.trim();
    if let Some((result, parameters)) = text.split_once("(*)(") {
        let parameters: Vec<String> = parameters.trim_end_matches(')').split(',').map(without_name).collect();
        let result = if result.trim() == "void" { String::new() } else { format!("-> {}", in_rust(result)) };
        return format!("Option<unsafe extern \"C\" fn({}) {result}>", parameters.join(", "));
    }
    if let Some((element, length)) = text.strip_suffix(']').and_then(|front| front.split_once('[')) {
        let cast = if length.starts_with(|first: char| first.is_ascii_digit()) { "" } else { " as usize" };
        return format!("[{}; {length}{cast}]", in_rust(element));
    }
    if let Some(pointed_to) = text.strip_suffix('*') {
        let pointed_to = pointed_to.trim();
        let constant = pointed_to.ends_with("const") || (pointed_to.starts_with("const ") && !pointed_to.contains('*'));
        let inner = pointed_to.strip_suffix("const").unwrap_or(pointed_to);
        let inner = if inner.contains('*') { inner } else { inner.strip_prefix("const ").unwrap_or(inner) };
        return format!("*{} {}", if constant { "const" } else { "mut" }, in_rust(inner));
    }
    let plain = [
        ("int32_t", "i32"),
        ("uint32_t", "u32"),
        ("int64_t", "i64"),
        ("uint64_t", "u64"),
        ("uint16_t", "u16"),
        ("uint8_t", "u8"),
        ("size_t", "usize"),
        ("float", "f32"),
        ("double", "f64"),
        ("char", "c_char"),
        ("void", "c_void"),
    ];
    plain.iter().find(|(c, _)| *c == text).map_or(text, |(_, rust)| rust).into()
}

fn without_name(parameter: &str) -> String {
    let front = parameter.trim_end_matches(|last: char| last.is_alphanumeric() || last == '_').trim();
    in_rust(if front.is_empty() { parameter } else { front })
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

fn names(value: &Value) -> Vec<String> {
    let mut names: Vec<String> = value.as_object().expect("a dictionary").keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn every_struct_has_the_compiler_s_sizes_offsets_and_types() {
    let Some(golden) = golden() else { return };
    let mut seen = Vec::new();
    for declared in declared() {
        for one in declared.structs {
            let fact = &golden["structs"][one.name];
            assert_eq!(
                (fact["size"].as_u64(), fact["align"].as_u64()),
                (Some(one.size as u64), Some(one.align as u64)),
                "{}",
                one.name
            );
            assert_eq!(fact["fields"].as_object().map(|fields| fields.len()), Some(one.fields.len()), "{}", one.name);
            for field in one.fields {
                let told = &fact["fields"][field.name];
                let name = format!("{}.{}", one.name, field.name);
                assert_eq!(
                    (told["offset"].as_u64(), told["size"].as_u64()),
                    (Some(field.offset as u64), Some(field.size as u64)),
                    "{name}"
                );
                assert_eq!(squeezed(&in_rust(told["type"].as_str().unwrap())), squeezed(field.is), "{name}");
            }
            seen.push(String::from(one.name));
        }
    }
    seen.sort();
    assert_eq!(seen, names(&golden["structs"]));
}

#[test]
fn every_constant_has_the_header_s_value() {
    let Some(golden) = golden() else { return };
    let mut seen = Vec::new();
    for declared in declared() {
        for (name, value) in declared.constants {
            let fact = &golden["constants"][name];
            let told = fact.as_i64().map(i128::from).or(fact.as_u64().map(i128::from));
            assert_eq!(told, Some(*value), "{name}");
            seen.push(String::from(*name));
        }
    }
    seen.sort();
    assert_eq!(seen, names(&golden["constants"]));
}

#[test]
fn every_function_has_the_header_s_types() {
    let Some(golden) = golden() else { return };
    let mut seen = Vec::new();
    for declared in declared() {
        for one in declared.functions {
            let fact = &golden["functions"][one.name];
            let told: Vec<String> = fact["parameters"]
                .as_array()
                .expect(one.name)
                .iter()
                .map(|parameter| squeezed(&in_rust(parameter.as_str().unwrap())))
                .collect();
            let here: Vec<String> = one.parameters.iter().map(|parameter| squeezed(parameter)).collect();
            assert_eq!(told, here, "{}", one.name);
            assert_eq!(squeezed(&in_rust(fact["returns"].as_str().unwrap())), squeezed(one.returns), "{}", one.name);
            seen.push(String::from(one.name));
        }
    }
    seen.sort();
    assert_eq!(seen, names(&golden["functions"]));
}

#[test]
fn init_sets_the_struct_size_and_nothing_else() {
    let mut expected = [0u8; 48];
    expected[0] = 48;
    let is: [u8; 48] = unsafe { core::mem::transmute(crate::akv_created::INIT) };
    assert_eq!(core::mem::size_of::<crate::akv_created>(), 56 - 8);
    assert_eq!(is, expected);
}
