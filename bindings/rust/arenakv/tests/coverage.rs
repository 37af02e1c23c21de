//! coverage.rs: bindings/coverage.toml names a public function of this package for every function of the C library,
//! or says why there is none; what it names is there, and the C function is called. It knows this package as text.
use std::path::Path;

fn read(path: impl AsRef<Path>) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path);
    text.map_err(|error| println!("skipped: {}: {error}", path.display())).ok()
}

/// The text of the `impl` blocks of a type, or all of it.
fn blocks_of<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    source
        .split("\nimpl")
        .skip(1)
        .filter(|block| {
            let head = block.split('{').next().unwrap_or("");
            !head.contains(" for ") && head.split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
        })
        .map(|block| block.split("\n}").next().unwrap_or(""))
        .collect()
}

#[test]
fn every_c_function_has_its_name_here_or_a_reason() {
    let (Some(map), Some(table)) = (read("../../../lib/libarenakv.map"), read("../../coverage.toml")) else {
        return;
    };
    let mut source = String::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        source += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    let rows: Vec<(&str, &str)> = table
        .split("\n[")
        .skip(1)
        .map(|entry| {
            let name = entry.split(']').next().unwrap_or("");
            let value = entry.lines().find_map(|line| line.strip_prefix("rust = "));
            (name, value.unwrap_or_else(|| panic!("{name} has no line for Rust")).trim_matches('"'))
        })
        .collect();
    let symbols: Vec<&str> =
        map.lines().filter_map(|line| line.trim().strip_suffix(';').filter(|name| name.starts_with("akv_"))).collect();
    assert!(symbols.len() > 100, "the map has {} symbols", symbols.len());
    assert_eq!(symbols, rows.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, value) in rows {
        if value.starts_with("raw-only: ") {
            continue;
        }
        assert!(source.contains(&format!("{name}(")) || source.contains(&format!(" {name};")), "{name} is not called");
        let (places, function) = match value.split_once('.') {
            Some((of, function)) => (blocks_of(&source, of), function),
            None => (vec![source.as_str()], value),
        };
        let here = |text: &&str| {
            ["fn ", "unsafe fn "].iter().any(|front| {
                [format!("pub {front}{function}("), format!("pub {front}{function}<")]
                    .iter()
                    .any(|call| text.contains(call))
            })
        };
        assert!(places.iter().any(here), "{name}: there is no public {value}");
    }
}
