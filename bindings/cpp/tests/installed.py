#!/usr/bin/env python3
"""installed.py: what is installed is enough for a C++ program that asks pkg-config and has nothing of the source tree.

    installed.py BUILD

It compiles and runs the examples in an empty folder; what is installed must have been built. Exit 77: no pkg-config or no c++.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
SAID = {"quick_start": "cached: 32 of 41 tokens", "inference_session": "recorded: yes"}


def call(*command: object, **more: str) -> str:
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **more}, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def main() -> int:
    missing = [program for program in ("pkg-config", "c++") if not shutil.which(program)]
    if missing:
        print(f"skipped: {' and '.join(missing)} is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="arenakv-cpp-installed-") as place:
        folder = pathlib.Path(place)
        call("meson", "install", "-C", sys.argv[1], "--no-rebuild", "--destdir", folder / "root")
        root = next((folder / "root").rglob("include")).parent
        flags = call("pkg-config", f"--define-variable=prefix={root}", "--cflags", "--libs", "arenakv",
                     PKG_CONFIG_PATH=str(next(root.rglob("arenakv.pc")).parent)).split()
        for name, wanted in SAID.items():
            shutil.copy(EXAMPLES / f"{name}.cpp", folder)
            call("c++", "-std=c++17", folder / f"{name}.cpp", *flags, "-o", folder / name)
            said = call(folder / name, LD_LIBRARY_PATH=str(next(root.rglob("libarenakv.so")).parent))
            if wanted not in said:
                sys.exit(f"{name} says something else:\n{said}")
    print("installed, found by pkg-config, compiled and run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
