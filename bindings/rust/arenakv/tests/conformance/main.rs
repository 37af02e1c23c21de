//! main.rs: replays the conformance stories (tests/conformance of the source tree) through this package. It knows the
//! format that the README there describes, and no story.
mod bytes;
mod calls;
mod more;
mod world;

use std::path::{Path, PathBuf};

use serde_json::Value;

use world::World;

/// A step whose keys are counted: one that nobody asked for makes the replay fail.
pub struct Step<'a> {
    keys: &'a serde_json::Map<String, Value>,
    used: std::cell::RefCell<Vec<&'a str>>,
}

impl<'a> Step<'a> {
    fn new(value: &'a Value) -> Step<'a> {
        Step { keys: value.as_object().expect("a step is a dictionary"), used: Default::default() }
    }

    pub fn get(&self, key: &'a str) -> Option<&'a Value> {
        self.used.borrow_mut().push(key);
        self.keys.get(key)
    }

    pub fn text(&self, key: &'a str) -> &'a str {
        self.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("{key} must be there, as text"))
    }

    pub fn number(&self, key: &'a str) -> u64 {
        self.get(key).map_or(0, |value| value.as_u64().unwrap_or_else(|| panic!("{key} must be a number")))
    }

    pub fn word(&self, key: &'a str) -> u32 {
        u32::try_from(self.number(key)).unwrap_or_else(|_| panic!("{key} does not fit 32 bits"))
    }

    pub fn names(&self, key: &'a str) -> Vec<&'a str> {
        match self.get(key) {
            Some(Value::Array(list)) => list.iter().map(|name| name.as_str().expect("a name")).collect(),
            Some(Value::String(name)) => vec![name],
            _ => panic!("{key} must name something"),
        }
    }

    pub fn numbers<T: TryFrom<i64>>(&self, key: &'a str) -> Option<Vec<T>> {
        let number = |value: &Value| T::try_from(value.as_i64().expect("a number")).ok().expect("a number that fits");
        self.get(key).map(|list| list.as_array().expect("a list").iter().map(number).collect())
    }

    pub fn tokens(&self) -> Option<Vec<i32>> {
        Some(match self.get("tokens")? {
            Value::Array(list) => {
                let token = |value: &Value| value.as_i64().map_or(arenakv::TOKEN_UNKNOWN, |token| token as i32);
                list.iter().map(token).collect()
            }
            range => {
                let from = range["from"].as_i64().expect("from") as i32;
                (from..from + range["count"].as_i64().expect("count") as i32).collect()
            }
        })
    }

    /// Flags of a call, by the names that it knows.
    pub fn flags<F: Copy + Default + std::ops::BitOr<Output = F>>(&self, known: &[(&str, F)]) -> F {
        let Some(flags) = self.get("flags") else { return F::default() };
        let mut result = F::default();
        for flag in flags.as_array().expect("flags are a list") {
            let flag = flag.as_str().expect("a flag is a word");
            let (_, value) = known.iter().find(|(name, _)| *name == flag).unwrap_or_else(|| panic!("flag {flag}"));
            result = result | *value;
        }
        result
    }

    fn unused(&self) -> Vec<&str> {
        let used = self.used.borrow();
        self.keys.keys().map(String::as_str).filter(|key| !used.contains(key)).collect()
    }
}

fn matches(world: &World, expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            expected.iter().all(|(key, value)| got.get(key).is_some_and(|got| matches(world, value, got)))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(one, other)| matches(world, one, other))
        }
        // A handle, told by the name that the story gave it.
        (Value::String(name), Value::Number(_)) => {
            world.handle(name).is_some_and(|handle| got.as_u64() == Some(handle))
        }
        _ => expected == got,
    }
}

fn check(world: &mut World, step: &Step<'_>) -> Result<(), String> {
    let answer = calls::call(world, step);
    let named = step.get("plan").and_then(Value::as_str);
    match (step.get("error").and_then(Value::as_str), answer) {
        (None, Err(error)) => return Err(format!("failed: {error}")),
        (Some(expected), Ok(_)) => return Err(format!("succeeded, {expected} was expected")),
        (Some(expected), Err(error)) => {
            if error.status().name() != expected {
                return Err(format!("{error}, {expected} was expected"));
            }
            let numbers = [
                ("needed", error.needed()),
                ("available", error.available()),
                ("row", error.row().map_or(u64::MAX, u64::from)),
            ];
            for (key, got) in numbers {
                match step.get(key).and_then(Value::as_u64) {
                    Some(wanted) if wanted != got => return Err(format!("{key} is {got}, expected {wanted}: {error}")),
                    _ => {}
                }
            }
        }
        (None, Ok((result, plan))) => {
            match (named, plan) {
                (Some(name), Some(plan)) => world.add(name, plan.as_raw()),
                (None, None) => {}
                (Some(_), None) => return Err("it handed out no plan".into()),
                (None, Some(_)) => return Err("it handed out a plan".into()),
            }
            match step.get("expect") {
                Some(expected) if !matches(world, expected, &result) => {
                    return Err(format!("expected {expected}, got {result}"));
                }
                _ => {}
            }
        }
    }
    for key in ["as", "in", "plan", "error", "needed", "available", "row", "expect"] {
        step.get(key); // whatever the call answers
    }
    match step.unused().as_slice() {
        [] => Ok(()),
        keys => Err(format!("keys that this replayer does not know: {keys:?}")),
    }
}

fn replay(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let story: Value = serde_json::from_str(&text).unwrap();
    let mut world = World::new(&story["cache"]);
    for (number, value) in story["steps"].as_array().expect("steps").iter().enumerate() {
        let step = Step::new(value);
        if let Err(problem) = check(&mut world, &step) {
            panic!("{}: step {} {value}: {problem}", path.display(), number + 1);
        }
    }
    world.end();
}

/// The stories of a folder; `None`, and a reason, outside of the source tree.
fn stories(folder: &str) -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/conformance").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there: stories are in the source tree", folder.display());
        return None;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    paths.sort();
    assert!(paths.len() >= 10, "{} has too few stories", folder.display());
    Some(paths)
}

#[test]
fn every_story_comes_true() {
    for path in stories("stories").iter().flatten() {
        replay(path);
        println!("{}", path.file_stem().unwrap().to_string_lossy());
    }
}

#[test]
fn every_broken_story_is_found_out() {
    for path in stories("broken").iter().flatten() {
        let found_out = std::panic::catch_unwind(|| replay(path)).is_err();
        assert!(found_out, "{} should have failed", path.display());
    }
}
