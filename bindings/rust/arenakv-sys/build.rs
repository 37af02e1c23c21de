//! build.rs: where the C library comes from: ARENAKV_LIB_DIR (a folder with libarenakv.so or libarenakv.a), pkg-config, or
//! the C++ source in this crate, compiled here without Python or Meson. The feature `bundled` asks for the last one;
//! ARENAKV_STATIC=1 for the archive of the first two. Flags are those of lib/meson.build (tests/source.rs compares them).
use std::path::{Path, PathBuf};
use std::{env, fs};

const FLAGS: [&str; 3] = ["-fno-math-errno", "-fstack-protector-strong", "-ftls-model=initial-exec"];
const KERNEL_FLAGS: [&str; 3] = ["-ffp-contract=off", "-fno-trapping-math", "-fno-exceptions"];

// The kernels: a file for each instruction set, compiled for that and nothing else.
const KERNELS: [(&str, &str, &[&str]); 5] = [
    ("plain", "x86_64", &[]),
    ("avx2", "x86_64", &["-mavx2", "-mfma", "-mf16c"]),
    ("avx512", "x86_64", &["-march=x86-64-v4", "-mavx512bf16", "-mavx512vnni"]),
    ("plain", "aarch64", &[]),
    ("neon", "aarch64", &[]),
];

fn main() {
    for name in ["ARENAKV_LIB_DIR", "ARENAKV_STATIC"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    let archive = env::var("ARENAKV_STATIC").is_ok_and(|value| value != "0");
    if let Some(folder) = env::var_os("ARENAKV_LIB_DIR") {
        let folder = PathBuf::from(folder);
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib={}=arenakv", if archive { "static" } else { "dylib" });
        if archive {
            println!("cargo:rustc-link-lib=dylib=stdc++");
        }
        return;
    }
    if env::var_os("CARGO_FEATURE_BUNDLED").is_none() && system_library(archive) {
        return;
    }
    bundled();
}

/// What pkg-config knows, if it is of this minor version: names may change between those.
fn system_library(archive: bool) -> bool {
    let minor = env::var("CARGO_PKG_VERSION_MINOR").unwrap().parse::<u32>().unwrap();
    let (this, next) = (format!("0.{minor}"), format!("0.{}", minor + 1));
    let mut config = pkg_config::Config::new();
    config.statik(archive).range_version(this.as_str()..next.as_str()).probe("arenakv").is_ok()
}

fn compiler(source: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").opt_level(3).define("NDEBUG", None).warnings(false).pic(true);
    build.flag("-fvisibility=hidden").flags(FLAGS);
    build.include(source.join("include")).include(source.join("lib"));
    build
}

fn bundled() {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("source");
    let (lib, machine) = (source.join("lib"), env::var("CARGO_CFG_TARGET_ARCH").unwrap());
    println!("cargo:rerun-if-changed={}", source.display());
    let mut files = Vec::new();
    sources(&lib, &mut files);
    files.sort();
    let kernels = lib.join("data").join("kernels");
    files.retain(|file| !KERNELS.iter().any(|(name, _, _)| *file == kernels.join(name).with_extension("cpp")));
    let mut build = compiler(&source);
    build.files(files);
    for (name, _, flags) in KERNELS.iter().filter(|(_, of, _)| *of == machine) {
        let mut kernel = compiler(&source);
        kernel.flags(KERNEL_FLAGS).flags(*flags).file(kernels.join(name).with_extension("cpp"));
        build.objects(kernel.compile_intermediates());
    }
    build.compile("arenakv");
    println!("cargo:include={}", source.join("include").display());
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the C++ source lies in this crate").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|suffix| suffix == "cpp") {
            files.push(path);
        }
    }
}
