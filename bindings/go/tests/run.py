#!/usr/bin/env python3
"""run.py: runs one kind of test of the Go module against the library that was just built.

    run.py --library LIBRARY --build BUILD [--sanitizer] KIND

It finds the library through the .pc file of the build that is not installed, or, for `copy`, installs it into a folder
of its own. It knows no test. Exit 77: no go, an old one, or no pkg-config; it says which.
"""
import argparse
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
MODULE = pathlib.Path(__file__).resolve().parents[1]
NEWEST_NEEDED = (1, 25)
USER = """package main

import (
	"fmt"

	"arenakv"
)

func main() { fmt.Println(arenakv.VersionString(), arenakv.BlocksFor(33, 16)) }
"""


def find_go():
    """The go command, or why it can't be used."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if not go:
        return None, "go is not installed"
    if not shutil.which("pkg-config"):
        return None, "pkg-config is not installed"
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True,
                          env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
    if version < NEWEST_NEEDED:
        return None, f"this is {told.strip()}, the package wants go {'.'.join(map(str, NEWEST_NEEDED))}"
    return go, ""


def digest_of(folder):
    """Go's build cache does not look into headers: a name that changes with them makes it build again."""
    text = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.h")))
    return hashlib.sha256(text).hexdigest()[:16]


class Runner:
    def __init__(self, go, library, build):
        self.go, self.build = go, build
        self.use(build / "meson-uninstalled", library.parent, MODULE.parents[1] / "include")

    def use(self, pkg_config, library, headers, **more):
        self.env = {**os.environ, "PKG_CONFIG_PATH": str(pkg_config), "LD_LIBRARY_PATH": str(library), "GOFLAGS": "-buildvcs=false",
                    "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOWORK": "off", "CGO_ENABLED": "1",
                    "CGO_CFLAGS": f"-O2 -g -DARENAKV_HEADERS_{digest_of(headers)}", **more}

    def call(self, *command, folder=MODULE):
        """What a command prints; the end of everything if it fails."""
        done = subprocess.run([str(part) for part in command], cwd=folder, env=self.env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout[-20000:]}")
        return done.stdout

    def tests(self, *flags, folder=MODULE):
        said = self.call(self.go, "test", "-count=1", "-v", *flags, "./...", folder=folder)
        for reason in re.findall(r"\w+_test\.go:\d+: (.*)\n--- SKIP: (\S+)", said):
            print(f"skipped: {reason[1]}: {reason[0]}")
        passed = len(re.findall(r"^--- PASS", said, re.MULTILINE))
        print(f"{passed} tests and examples passed {' '.join(flags)}")
        if not passed:
            sys.exit("no test was run")


def kind_tests(runner):
    runner.call(runner.go, "vet", "./...")
    badly = runner.call(pathlib.Path(runner.go).parent / "gofmt", "-l", ".")
    if badly.strip():
        sys.exit(f"not as gofmt has it:\n{badly}")
    runner.tests()


def kind_race(runner):
    runner.tests("-race")


def kind_gctorture(runner):
    runner.call(runner.go, "vet", "-tags", "arenakv_gctorture", "./...")
    runner.tests("-tags", "arenakv_gctorture")


def kind_quick_start(runner):
    text = (MODULE / "README.md").read_text()
    program, = re.findall(r"```go\n(package main.*?)```", text, re.DOTALL)
    wanted, = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    if program.count("\n") >= 20:
        sys.exit(f"the quick start has {program.count(chr(10))} lines, must be under 20")
    with tempfile.TemporaryDirectory(prefix="arenakv-go-") as place:
        folder = pathlib.Path(place)
        (folder / "main.go").write_text(program)
        said = use_module(runner, folder, MODULE)
    if said != wanted:
        sys.exit(f"the quick start prints\n{said}and the README says\n{wanted}")
    print("the quick start prints what the README says")


def kind_bench(runner):
    said = runner.call(runner.go, "run", "./bench", "-rounds", "3", "-steps", "100")
    print(said, end="")
    if "allocations a step in Go: 0.0000" not in said or not re.search(r"Go / C +\d", said):
        sys.exit("a step in Go allocates, or the ratio is missing")


def use_module(runner, folder, module):
    """Build and run the main.go of a folder as a module of its own that uses ours; what it prints."""
    (folder / "go.mod").write_text(f"module user\n\ngo 1.25\n\nrequire arenakv v0.0.0\n\nreplace arenakv => {module}\n")
    runner.call(runner.go, "build", "-o", "user", ".", folder=folder)
    return runner.call(folder / "user", folder=folder)


def kind_copy(runner):
    with tempfile.TemporaryDirectory(prefix="arenakv-go-") as place:
        folder = pathlib.Path(place)
        runner.call("meson", "install", "-C", runner.build, "--destdir", folder / "root")
        root = folder / "root"
        library, = {path.parent for path in root.rglob("libarenakv.so")}
        headers = next(root.rglob("arenakv.h")).parent
        runner.use(next(root.rglob("arenakv.pc")).parent, library, headers, PKG_CONFIG_SYSROOT_DIR=str(root))
        shutil.copytree(MODULE, folder / "arenakv", ignore=shutil.ignore_patterns("tests", "__pycache__", "meson.build"))
        runner.tests("-run", "^Example", folder=folder / "arenakv")
        runner.call(runner.go, "run", "./quickstart", folder=folder / "arenakv")
        (folder / "user").mkdir()
        (folder / "user" / "main.go").write_text(USER)
        print("another module uses it:", use_module(runner, folder / "user", folder / "arenakv").strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="of Meson")
    parser.add_argument("--sanitizer", action="store_true", help="the library was built with one")
    parser.add_argument("kind", choices=[name[5:] for name in globals() if name.startswith("kind_")])
    arguments = parser.parse_args()
    go, why = find_go()
    if arguments.sanitizer:
        go, why = None, "a sanitizer's runtime comes with the program, and Go links none"
    if not go:
        print("skipped:", why)
        return SKIPPED
    globals()["kind_" + arguments.kind](Runner(go, arguments.library.resolve(), arguments.build.resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
