#!/usr/bin/env python3
"""compile.py: arenakv.hpp compiles without a warning: with gcc and clang-19 where they are, as C++17 and C++20.

Every header by itself and twice, as C++17; every method of every class with both choices of errors, and without exceptions; the
examples. It does not run anything. Exit 77: there is no compiler.
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
from typing import List, Tuple

HERE = pathlib.Path(__file__).resolve().parent
CPP, ROOT = HERE.parent, HERE.parents[2]
WARNINGS = ("-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wcast-qual -Wvla -Wold-style-cast "
            "-Wnon-virtual-dtor -Werror").split()
COMPILERS = ("g++", "clang++-19")
STANDARDS = ("c++17", "c++20")


def call(job: Tuple[str, List[str], str]) -> Tuple[str, str]:
    label, command, source = job
    done = subprocess.run(command, input=source, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return label, done.stdout if done.returncode != 0 else ""


def main() -> int:
    there = [compiler for compiler in COMPILERS if shutil.which(compiler)]
    if not there:
        print(f"skipped: neither of {', '.join(COMPILERS)} is installed")
        return 77
    headers = [path.relative_to(CPP) for path in sorted(CPP.glob("*.hpp")) + sorted((CPP / "arenakv").rglob("*.hpp"))]
    alone = [(str(header), f'#include "{header}"\n#include "{header}"\n', []) for header in headers]
    sources = [(path.name, path.read_text(), []) for path in sorted((CPP / "examples").glob("*.cpp"))]
    every = (HERE / "instantiate.cpp").read_text()
    sources += [("instantiate.cpp", every, []), ("instantiate.cpp without exceptions", every, ["-fno-exceptions"])]
    jobs = []
    for compiler in there:
        for standard in STANDARDS:
            for name, source, more in sources + (alone if standard == STANDARDS[0] else []):
                command = [compiler, "-x", "c++", f"-std={standard}", "-fsyntax-only", *WARNINGS, *more,
                           "-I", str(CPP), "-I", str(ROOT / "include"), "-"]
                jobs.append((f"{name} as {standard} with {compiler}", command, source))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        findings = [f"{label}:\n{said}" for label, said in pool.map(call, jobs) if said]
    for finding in findings:
        print(finding)
    print(f"{len(jobs)} compilations, {len(findings)} findings; compilers: {', '.join(there)}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
