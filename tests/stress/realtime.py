#!/usr/bin/env python3
"""realtime.py: builds the library with clang's RealtimeSanitizer and runs decode steps under it.

    realtime.py COMPILER INCLUDE LIB SOURCE...      the sources are those of the library; the kernels are found

Promise: pages and tensors of a page pool take no lock (A13); a decode step allocates nothing, takes no lock but the
marked one for a magazine of new blocks, and makes no system call (B12, B16). The controls, which do such things on
purpose, must be reported, or the check is worth nothing.
It does not look at the time that a step takes. Exit 77: no compiler that knows -fsanitize=realtime.
"""
from __future__ import annotations

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import kernel_files  # noqa: E402

FLAGS = ["-std=c++20", "-O2", "-g", "-fsanitize=realtime", "-fno-omit-frame-pointer", "-D_FILE_OFFSET_BITS=64"]
CONTROLS = {"malloc": "malloc", "lock": "pthread_mutex_lock", "library": "pthread_mutex_unlock"}


def skip(why: str) -> int:
    print(f"skipped: {why}")
    return 77


def knows_realtime(compiler: str, folder: pathlib.Path) -> bool:
    probe = folder / "probe.cpp"
    probe.write_text("#include <sanitizer/rtsan_interface.h>\nint main() { const __rtsan::ScopedDisabler off; }\n")
    command = [compiler, *FLAGS, str(probe), "-o", str(folder / "probe")]
    return subprocess.run(command, capture_output=True).returncode == 0


def compile_all(compiler: str, folders: list[str], sources: list[str], folder: pathlib.Path) -> pathlib.Path | None:
    def one(numbered: tuple[int, str]) -> tuple[pathlib.Path, str]:
        number, source = numbered
        target = folder / f"{number}.o"
        command = [compiler, *FLAGS, *kernel_files.flags(source), *(f"-I{path}" for path in folders), "-c", source, "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        return target, "" if done.returncode == 0 else done.stderr

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(one, enumerate(sources)))
    errors = "".join(error for _, error in results)
    program = folder / "realtime"
    if not errors:
        link = [compiler, *FLAGS, *(str(target) for target, _ in results), "-pthread",
                "-Wl,--wrap=pthread_mutex_trylock", "-o", str(program)]
        done = subprocess.run(link, capture_output=True, text=True)
        errors = done.stderr if done.returncode != 0 else ""
    print(errors, end="", file=sys.stderr)
    return None if errors else program


def run(program: pathlib.Path, what: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, RTSAN_OPTIONS="halt_on_error=true:exitcode=43")
    return subprocess.run([str(program), what], capture_output=True, text=True, env=environment, timeout=300)


def check(program: pathlib.Path) -> int:
    failures = 0
    for what, blamed in CONTROLS.items():
        done = run(program, what)
        if done.returncode == 0 or "RealtimeSanitizer" not in done.stderr or blamed not in done.stderr:
            print(f"the control '{what}' was not reported ({done.returncode}):\n{done.stdout}{done.stderr}")
            failures += 1
    for what, words in (("steps", "a decode step"), ("pages", "a call on a page or a tensor")):
        done = run(program, what)
        print(done.stdout, end="")
        if done.returncode != 0:
            print(done.stderr)
            print(f"{words} did what it must not")
            failures += 1
    print("decode steps allocate nothing and take no lock but the marked one, pages none; 3 controls were reported"
          if failures == 0 else f"{failures} of 5 runs were not as they should be")
    return 1 if failures else 0


def main() -> int:
    compiler, include, lib, *sources = sys.argv[1:]
    if shutil.which(compiler) is None:
        return skip(f"no {compiler} here; RealtimeSanitizer needs clang 20 or later")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if not knows_realtime(compiler, folder):
            return skip(f"{compiler} does not know -fsanitize=realtime")
        own = str(pathlib.Path(__file__).with_name("realtime.cpp"))
        program = compile_all(compiler, [include, lib], [own, *kernel_files.with_kernels(lib, sources)], folder)
        return 1 if program is None else check(program)


if __name__ == "__main__":
    sys.exit(main())
