#!/usr/bin/env python3
"""installed.py: what is installed is enough for a C program: by pkg-config, and by CMake where that is there.

    installed.py BUILD PROGRAM.c

Promise: after an installation into a folder of its own (S4 S5), the C example compiles against it with the flags that
pkg-config gives, links, runs and says what it always says; the same with the archive and the flags of pkg-config
--static, and with find_package(arenakv) of CMake.
It does not look at the Python package, which pip installs. Exit 77: no pkg-config.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CMAKE = """cmake_minimum_required(VERSION 3.16)
project(user C)
find_package(arenakv 0.1 REQUIRED)
add_executable(user {program})
target_link_libraries(user PRIVATE arenakv::arenakv)
"""


def call(*command, **more):
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **more}, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def flags_of(root, *which):
    where = {"PKG_CONFIG_PATH": str(next(root.rglob("arenakv.pc")).parent)}
    return call("pkg-config", f"--define-variable=prefix={root}", *which, "arenakv", **where).split()


def by_pkg_config(root, program, folder):
    call("cc", "-std=c99", program, *flags_of(root, "--cflags", "--libs"), "-o", folder / "user")
    return call(folder / "user", LD_LIBRARY_PATH=str(next(root.rglob("libarenakv.so")).parent))


def by_archive(root, program, folder):
    flags = ["-l:libarenakv.a" if flag == "-larenakv" else flag for flag in flags_of(root, "--static", "--cflags", "--libs")]
    call("cc", "-std=c99", program, *flags, "-o", folder / "static")
    return call(folder / "static")


def by_cmake(root, program, folder):
    (folder / "CMakeLists.txt").write_text(CMAKE.format(program=program))
    call("cmake", "-S", folder, "-B", folder / "out", f"-DCMAKE_PREFIX_PATH={root}")
    call("cmake", "--build", folder / "out")
    return call(folder / "out" / "user", LD_LIBRARY_PATH=str(next(root.rglob("libarenakv.so")).parent))


def main():
    build, program = map(pathlib.Path, sys.argv[1:])
    if not shutil.which("pkg-config"):
        print("skipped: pkg-config is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="arenakv-installed-") as place:
        folder = pathlib.Path(place)
        call("meson", "install", "-C", build, "--destdir", folder / "root")
        root = next((folder / "root").rglob("include")).parent
        said = [by_pkg_config(root, program.resolve(), folder), by_archive(root, program.resolve(), folder)]
        if shutil.which("cmake"):
            said.append(by_cmake(root, program.resolve(), folder))
        if any("of 11 tokens were cached" not in text for text in said):
            sys.exit(f"the example says something else:\n{said}")
    print(f"installed, compiled and run: pkg-config, the archive{', CMake' if len(said) > 2 else ' (CMake is not installed)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
