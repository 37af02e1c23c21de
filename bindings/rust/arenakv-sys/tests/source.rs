//! source.rs: build.rs compiles what lib/meson.build compiles, with its flags. It reads both as text, in the source tree.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn read(path: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).map_err(|error| println!("skipped: {}: {error}", path.display())).ok()
}

/// What stands between these quotes and begins with a dash.
fn flags(text: &str, quote: char) -> BTreeSet<&str> {
    let quoted = text.lines().flat_map(|line| line.split(quote).skip(1).step_by(2));
    quoted.filter(|one| one.starts_with('-') && !one.contains(' ')).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "cpp") {
            found.push(path);
        }
    }
}

#[test]
fn the_flags_are_those_of_meson() {
    let (Some(build), Some(lib), Some(project)) =
        (read("build.rs"), read("../../../lib/meson.build"), read("../../../meson.build"))
    else {
        return;
    };
    let ours = flags(&build, '"');
    let compiled: String =
        lib.split("isa_arguments = ").nth(1).unwrap().split("if python_package").next().unwrap().into();
    let mut theirs = flags(&compiled, '\'');
    for none_of_ours in ["-O1", "-O3", "-Wno-maybe-uninitialized"] {
        theirs.remove(none_of_ours); // cc sets the level, and no warnings
    }
    assert!(theirs.len() >= 9, "{theirs:?}");
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), Vec::<&&str>::new(), "flags that build.rs lacks");
    theirs.extend(flags(&project, '\''));
    theirs.insert("-fvisibility=hidden"); // gnu_symbol_visibility
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), Vec::<&&str>::new(), "flags that Meson has not");
    assert!(build.lines().count() <= 100, "build.rs has {} lines", build.lines().count());
}

#[test]
fn the_sources_are_those_of_meson() {
    let Some(lib) = read("../../../lib/meson.build") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("source/lib");
    let mut found = Vec::new();
    sources(&folder, &mut found);
    for path in &found {
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy();
        let kernel = name.strip_prefix("data/kernels/").and_then(|file| file.strip_suffix(".cpp"));
        let is_isa = kernel.is_some_and(|isa| lib.contains(&format!("'{isa}': [")));
        assert!(is_isa || lib.contains(&format!("'{name}'")), "Meson does not compile {name}, and build.rs does");
    }
    let listed = lib.lines().filter(|line| line.starts_with("  '") && line.ends_with(".cpp',")).count();
    assert_eq!(listed + 4, found.len(), "sources and four kernels");
}
