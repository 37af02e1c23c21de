"""compilers.py: the compilers and standards that the public headers are tried with, and running many at once.

gcc always; clang-19, clang-22 and the other standards when ARENAKV_TESTS_FULL=1 (or --full). It knows no header.
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

# What the checkers of tests/rules know: the tree, and the public headers as lists.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rules"))

SKIPPED = 77
GCC = ("gcc", "g++")
CLANGS = (("clang-19", "clang++-19"), ("clang-22", "clang++-22"))
STANDARDS = ("c99", "c17", "c++11", "c++20")
OTHER_STANDARDS = ("c11", "c2x", "c++14", "c++17")  # c2x: what gcc 12 calls C23


def full():
    return os.environ.get("ARENAKV_TESTS_FULL") == "1"


def command(pair, standard):
    """The compiler of this pair for a standard, reading the source from its standard input."""
    return [pair[1], "-x", "c++", f"-std={standard}"] if "++" in standard else [pair[0], "-x", "c", f"-std={standard}"]


def split_by_presence(pairs):
    """Those that are installed, and the names of those that are not."""
    there = [pair for pair in pairs if all(map(shutil.which, pair))]
    return there, [pair[0] for pair in pairs if pair not in there]


def run(command, source=""):
    """(exit status, what it printed); English messages, since they are looked at."""
    done = subprocess.run(command, input=source, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "LC_ALL": "C"}, check=False)
    return done.returncode, done.stdout


def run_all(jobs):
    """jobs: (label, command, source). Yields (label, exit status, output) in the order of the jobs."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        yield from pool.map(lambda job: (job[0], *run(job[1], job[2])), jobs)


def skip(reason):
    print(f"skipped: {reason}")
    return SKIPPED
