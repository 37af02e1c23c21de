#!/usr/bin/env python3
"""neon.py: kernelcheck for arm64, compiled with the cross compiler and run in QEMU.

Promise: the NEON kernels compile without a warning, and do what kernelcheck wants of every instruction set.
It does not look at their speed. Skipped without aarch64-linux-gnu-g++ and qemu-aarch64 (Debian: g++-aarch64-linux-gnu,
qemu-user), and on arm64 itself, where kernelcheck runs as it is.
Usage: neon.py SOURCE..., those of kernelcheck
"""
import concurrent.futures
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import kernel_files  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
FLAGS = ("-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-fno-math-errno",
         "-I", str(ROOT / "include"), "-I", str(ROOT / "lib"))
OPTIMISED = ("-O3", "-fno-trapping-math", "-fno-exceptions")  # the kernels


def sources():
    """What kernelcheck is made of, and of the library what it wants: kernels, and memory for what it times."""
    lib = ROOT / "lib"
    others = [lib / "data/kernels/isa.cpp", lib / "data/kernels/caches.cpp", lib / "data/host_memory.cpp",
              lib / "base/error.cpp"]
    yield from map(pathlib.Path, sys.argv[1:])
    yield from map(pathlib.Path, kernel_files.with_kernels(lib, [str(path) for path in others], "aarch64"))


def main():
    if platform.machine() == "aarch64" or not (shutil.which(COMPILER) and shutil.which(EMULATOR)):
        print(f"skipped: {COMPILER} and {EMULATOR} are not both installed, or this is arm64 already")
        return 77
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        program, folder = pathlib.Path(name) / "kernelcheck", pathlib.Path(name)

        def compiled(source):
            target = folder / f"{source.parent.name}_{source.stem}.o"
            more = OPTIMISED if kernel_files.is_kernel(source) else ()
            subprocess.run([COMPILER, *FLAGS, *more, *kernel_files.flags(source), "-c", source, "-o", target], check=True)
            return target

        objects = list(pool.map(compiled, sources()))
        subprocess.run([COMPILER, "-static", "-pthread", *objects, "-o", program], check=True)
        done = subprocess.run([EMULATOR, program], check=False, text=True, stdout=subprocess.PIPE)
    print(done.stdout, end="")
    if "NEON" not in done.stdout.partition(";")[0]:
        print("kernelcheck did not run the NEON kernels")
        return 1
    return done.returncode


sys.exit(main())
