#!/usr/bin/env python3
"""fuzz.py: builds the library for libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs it for a while.

    fuzz.py COMPILER TARGET SECONDS INCLUDE LIB SOURCE...      the sources are those of the library
    fuzz.py COMPILER TARGET 1000000x INCLUDE LIB SOURCE...     so many executions, however long they take

Promise: what TARGET says: calls.cpp, no order of calls and no argument crashes the library, unbalances its books or loses
a block (D6); images.cpp, no image does, and none is believed that is not sound (E7).
An input that does is kept in the temporary folder and printed. Exit 77: no compiler that knows -fsanitize=fuzzer.
"""
from __future__ import annotations

import base64
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import kernel_files  # noqa: E402

FLAGS = ["-std=c++20", "-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined",
         "-D_FILE_OFFSET_BITS=64"]


def skip(why: str) -> int:
    print(f"skipped: {why}")
    return 77


def build(compiler: str, folders: list[str], sources: list[str], folder: pathlib.Path) -> str:
    """What the compiler says if it fails."""
    def one(numbered: tuple[int, str]) -> str:
        number, source = numbered
        includes = [f"-I{path}" for path in folders]
        command = [compiler, *FLAGS, *kernel_files.flags(source), *includes, "-c", source, "-o", str(folder / f"{number}.o")]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stderr if done.returncode != 0 else ""

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        errors = "".join(pool.map(one, enumerate(sources)))
    if errors:
        return errors
    objects = [str(folder / f"{number}.o") for number in range(len(sources))]
    link = [compiler, *FLAGS, *objects, "-pthread", "-o", str(folder / "fuzz")]
    done = subprocess.run(link, capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


def main() -> int:
    compiler, target, limit, include, lib, *sources = sys.argv[1:]
    if shutil.which(compiler) is None:
        return skip(f"no {compiler} here")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        probe = folder / "probe.cpp"
        probe.write_text('extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }\n')
        probing = [compiler, *FLAGS, str(probe), "-o", str(folder / "probe")]
        if subprocess.run(probing, capture_output=True).returncode != 0:
            return skip(f"{compiler} does not know -fsanitize=fuzzer")
        if errors := build(compiler, [include, lib], [target, *kernel_files.with_kernels(lib, sources)], folder):
            print(errors, file=sys.stderr)
            return 1
        corpus = folder / "corpus"
        corpus.mkdir()
        until = f"-runs={limit[:-1]}" if limit.endswith("x") else f"-max_total_time={limit}"
        command = [str(folder / "fuzz"), until, "-max_len=800", "-print_final_stats=1",
                   "-use_value_profile=1", f"-artifact_prefix={folder}/bad-", str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        print("\n".join(line for line in done.stderr.splitlines() if line.startswith("stat::") or "BROKEN" in line))
        if done.returncode == 0:
            return 0
        print(done.stderr[-4000:])
        for bad in folder.glob("bad-*"):
            print(f"the input, as base64: {base64.b64encode(bad.read_bytes()).decode()}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
