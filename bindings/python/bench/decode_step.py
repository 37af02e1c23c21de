#!/usr/bin/env python3
"""decode_step.py: one decode step of 256 sequences, tables into preallocated arrays: Python against C in one process.

Prints the ratio of the medians, and what a million steps leave behind in memory. The step grows every sequence by a
token and writes slot mapping, positions, block table and lengths. Usage: decode_step.py --library LIBRARY [--steps N]
"""
import argparse
import array
import ctypes
import gc
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent / "tests"))
import run as staging  # noqa: E402  puts package and library into a folder

SEQUENCES, PROMPT, ROUND = 256, 100, 1000  # after so many steps all are cut back


def c_loop(library, folder):
    """bench_steps() of step.c, linked to the copy of the library that the package has loaded."""
    target = folder / "step.so"
    subprocess.run([*os.environ.get("CC", "cc").split(), "-O2", "-shared", "-fPIC", f"-I{ROOT / 'include'}",
                    str(HERE / "step.c"), str(library), "-o", str(target)], check=True)
    function = ctypes.CDLL(str(target)).bench_steps
    function.restype, function.argtypes = ctypes.c_uint64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
                                                            ctypes.c_uint64]
    return function


def make(arenakv, cache):
    """The batch of a step, and what cuts all sequences back."""
    sequences = [cache.create(range(at * 1000, at * 1000 + PROMPT)).sequence for at in range(SEQUENCES)]
    cells = array.array("i", [0] * (SEQUENCES * 80))
    tables = arenakv.Tables(slot_mapping=array.array("q", [0] * SEQUENCES), seq_lens=array.array("i", [0] * SEQUENCES),
                            positions=array.array("q", [0] * SEQUENCES), keep_rows=True,
                            block_table=memoryview(cells).cast("B").cast("i", (SEQUENCES, 80)))
    batch = cache.batch(sequences, tokens=array.array("i", range(SEQUENCES)), tables=tables)
    return batch, tables, cache.batch(sequences, lengths=[PROMPT] * SEQUENCES)


def python_steps(batch, steps):
    begin = time.perf_counter_ns()
    for _ in range(steps):
        batch.append()
    return time.perf_counter_ns() - begin


def compare(cache, batch, tables, back, loop, rounds):
    """Medians of nanoseconds a step: (Python, C), measured in turn."""
    found = ([], [])
    for _ in range(rounds):
        found[0].append(python_steps(batch, ROUND) / ROUND)
        back.truncate()
        spent = loop(cache.handle, ctypes.addressof(batch.struct), ctypes.addressof(tables.struct), ROUND)
        if not spent:
            raise SystemExit("a step in C has failed")
        found[1].append(spent / ROUND)
        back.truncate()
    return [statistics.median(times) for times in found]


def growth(batch, back, steps):
    """Memory blocks of Python, and bytes of the process, that so many steps leave behind."""
    seen = array.array("q", [0] * 6)  # so that looking leaves nothing behind
    for at, rounds in ((0, 1), (2, steps // ROUND), (4, 0)):  # the first round is for what is made once
        gc.collect()
        seen[at], seen[at + 1] = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(rounds):
            for _ in range(ROUND):
                batch.append()
            back.truncate()
    return seen[4] - seen[2], (seen[5] - seen[3]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=1_000_000, help="for the growth")
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        staging.stage(arguments.library, folder)
        sys.path.insert(0, name)
        import arenakv

        with arenakv.Cache(num_blocks=SEQUENCES * 80, max_tokens_per_sequence=80 * 16) as cache:
            batch, tables, back = make(arenakv, cache)
            loop = c_loop(folder / "arenakv" / "libarenakv.so", folder)
            here, c = compare(cache, batch, tables, back, loop, arguments.rounds)
            print(f"one decode step of {SEQUENCES} sequences: Python {here:.0f} ns, C {c:.0f} ns, ratio {here / c:.2f}")
            blocks, size = growth(batch, back, arguments.steps)
            print(f"growth over {arguments.steps} steps: {blocks} memory blocks of Python, {size} bytes resident")


if __name__ == "__main__":
    main()
