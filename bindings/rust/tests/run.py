#!/usr/bin/env python3
"""run.py: runs one of the Rust suite's tests against the library that was just built.

`tests` are the packages' own, `quick_start` what the README says of its example, `bench` the ratio of a decode step to C,
`lint` the formatter and clippy, `package` the packages as they are published, built in an empty folder. It looks for cargo
and for the crates that tests want, and exits with 77 where they can't be had. It knows no test.
Usage: run.py --library LIBRARY --target FOLDER [--sanitizer] tests|quick_start|bench|lint|package
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
RUST = pathlib.Path(__file__).resolve().parents[1]
FROM_SOURCE = ("ARENAKV_LIB_DIR", "ARENAKV_STATIC", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH")


def skip(reason):
    print(f"skipped: {reason}")
    return SKIPPED


def cargo(*arguments, environment, folder=RUST, **options):
    print("cargo", *arguments, flush=True)
    return subprocess.run(["cargo", *arguments], cwd=folder, env=environment, check=False, text=True, **options)


def why_not(environment):
    """Why this machine can't build Rust packages; None if it can."""
    if shutil.which("cargo") is None:
        return "cargo is not installed"
    if cargo("metadata", "--format-version", "1", "--no-deps", environment=environment,
             stdout=subprocess.DEVNULL).returncode != 0:
        return None  # the manifests are wrong: a build will say it
    fetched = cargo("fetch", environment=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if fetched.returncode != 0:
        return "the crates cc, pkg-config and serde_json can't be fetched: " + fetched.stdout.strip().splitlines()[-1]
    return None


def tests(environment):
    return cargo("test", "--workspace", "--exclude", "arenakv-bench", environment=environment).returncode


def quick_start(environment):
    done = cargo("run", "--quiet", "--example", "quick_start", environment=environment, stdout=subprocess.PIPE)
    said = re.search(r"```text\n(.*?)```", (RUST / "README.md").read_text(), re.DOTALL)[1]
    print(done.stdout)
    if done.stdout != said:
        print(f"README.md says that it prints\n{said}")
        return 1
    return done.returncode


def bench(environment):
    """Prints the ratio; on a machine with other work it is no limit."""
    return cargo("run", "--quiet", "--release", "-p", "arenakv-bench", environment=environment).returncode


def lint(environment):
    for tool in ("fmt", "clippy"):
        if cargo(tool, "--version", environment=environment, stdout=subprocess.DEVNULL).returncode != 0:
            return skip(f"cargo {tool} is not installed")
    formatted = cargo("fmt", "--all", "--check", environment=environment).returncode
    return formatted or cargo("clippy", "--all-targets", "--", "-D", "warnings", environment=environment).returncode


def package(environment):
    """Both packages, unpacked in an empty folder, and a program on them that compiles the C++ source."""
    for name in FROM_SOURCE:
        environment.pop(name, None)
    target = pathlib.Path(environment["CARGO_TARGET_DIR"])
    packed = cargo("package", "--workspace", "--exclude", "arenakv-bench", "--allow-dirty", "--no-verify",
                   environment=environment)
    if packed.returncode != 0:
        return packed.returncode
    with tempfile.TemporaryDirectory() as folder:
        empty = pathlib.Path(folder)
        for name in ("arenakv-sys", "arenakv"):
            archive = max((target / "package").glob(f"{name}-[0-9]*.crate"), key=os.path.getmtime)
            shutil.unpack_archive(archive, empty, "gztar", filter="data")
            next(empty.glob(f"{name}-[0-9]*")).rename(empty / name)
        (empty / "program/src").mkdir(parents=True)
        shutil.copy(empty / "arenakv/examples/quick_start.rs", empty / "program/src/main.rs")
        (empty / "program/Cargo.toml").write_text(
            '[package]\nname = "program"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n'
            'arenakv = { path = "../arenakv", features = ["bundled"] }\n\n'
            '[patch.crates-io]\narenakv-sys = { path = "../arenakv-sys" }\n')
        environment["CARGO_TARGET_DIR"] = str(target / "empty")
        return cargo("run", "--jobs", "2", environment=environment, folder=empty / "program").returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--target", type=pathlib.Path, required=True, help="cargo's folder for what it builds")
    parser.add_argument("--sanitizer", action="store_true", help="the library was built with one")
    parser.add_argument("what", choices=("tests", "quick_start", "bench", "lint", "package"))
    arguments = parser.parse_args()
    if arguments.sanitizer:
        return skip("a sanitizer's runtime comes with the program, and cargo's programs have none")
    library = str(arguments.library.resolve().parent)
    environment = dict(os.environ, ARENAKV_LIB_DIR=library, CARGO_TARGET_DIR=str(arguments.target.resolve()),
                       CARGO_BUILD_JOBS="2", LD_LIBRARY_PATH=library)
    environment.pop("ARENAKV_STATIC", None)
    reason = why_not(environment)
    return skip(reason) if reason else globals()[arguments.what](environment)


if __name__ == "__main__":
    sys.exit(main())
