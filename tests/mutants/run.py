#!/usr/bin/env python3
"""run.py: plants bugs in a copy of the tree, one at a time; each must make a test fail.

    tests/mutants/run.py [--full]       without --full only those marked quick

The copy is built once; a bug costs the files it touches and its killer. A bug whose text no longer stands exactly once
in its file is an error: whoever changes that code plants it anew. It knows Meson and the names of test programs.
"""
from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from planted import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", "dist")
PROGRAMS = ("tests/contract/contract", "tests/model/random_operations", "tests/stress/stress_threads",
            "tests/stress/stress_allocation_failures", "tests/unit/unit", "kernelcheck/arenakv-kernelcheck",
            "tests/bytes/random_bytes", "tests/bytes/random_tiers")
TIME_LIMIT = 120  # seconds of a killer, or as many times what it takes without a bug: with one it may hang
TIMES_AS_LONG = 6


def call(*command: object, limit: int | None = None) -> tuple[int, str]:
    try:
        done = subprocess.run([str(part) for part in command], text=True, errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return 124, "it hangs"
    return done.returncode, done.stdout


def build(folder: pathlib.Path) -> None:
    status, said = call("ninja", "-C", folder, *PROGRAMS)
    if status != 0:
        raise SystemExit(f"the build fails:\n{said[-4000:]}")


def commands(tree: pathlib.Path, folder: pathlib.Path, name: str) -> list[list[object]]:
    """The killers of this name, which are separated by commas: words with a meaning of their own, and filters."""
    contract, model, threads, memory, unit, kernels, moves, tiers = (folder / program for program in PROGRAMS)
    special = {
        "pages": [unit, "--abort", "page_pool:*,bump_arena:*,checker:*"],
        "formats": [unit, "--abort", "formats: every*,formats: a row*,formats: a NaN*,formats: 4 bits*,formats: D5*"],
        "kernels": [kernels],
        "bytes": [moves, "--operations", 100_000],
        "tiers": [tiers, "--operations", 20_000],
        "model": [model, "--operations", 200_000],
        "threads": [threads, "--operations", 400_000],
        "memory": [memory, folder / "lib" / "libarenakv.so", tree / "include" / "arenakv"],
        "realtime": [sys.executable, tree / "tests" / "stress" / "realtime.py", "clang++-22", tree / "include",
                     tree / "lib", *sorted((tree / "lib").rglob("*.cpp"))],
    }
    names = name.split(",")
    filters = ",".join(part for part in names if part not in special)
    return [[contract, "--abort", filters]] * bool(filters) + [special[part] for part in names if part in special]


def killer(tree: pathlib.Path, folder: pathlib.Path, name: str, limit: int) -> tuple[int, str]:
    """What the first of them answers that fails, or the last."""
    status, said = 0, ""
    for command in commands(tree, folder, name):
        status, said = call(*command, limit=limit)
        if status != 0:
            break
    return status, said


def cannot_be_planted() -> list[str]:
    """The bugs, of all of them, whose text does not stand exactly once in its file."""
    counts = [(mutant, (ROOT / mutant.path).read_text().count(mutant.old)) for mutant in MUTANTS]
    return [f"{mutant.bug}: {mutant.path} has its text {count} times, not once: plant it anew"
            for mutant, count in counts if count != 1]


def time_killers(tree: pathlib.Path, folder: pathlib.Path, names: set[str]) -> dict[str, int]:
    """The time limit of each, from what it takes now: they pass without a bug."""
    limits = {}
    for name in sorted(names):
        start = time.monotonic()
        status, said = killer(tree, folder, name, 10 * TIME_LIMIT)
        if status not in (0, 77):
            raise SystemExit(f"without a bug {name} fails already:\n{said[-4000:]}")
        limits[name] = max(TIME_LIMIT, int(TIMES_AS_LONG * (time.monotonic() - start)))
    return limits


def plant(tree: pathlib.Path, folder: pathlib.Path, mutant, limit: int) -> str | None:
    """None if the bug was noticed, or what is wrong."""
    path = tree / mutant.path
    sound = path.read_text()
    path.write_text(sound.replace(mutant.old, mutant.new))
    try:
        build(folder)
        status, _ = killer(tree, folder, mutant.killer, limit)
    finally:
        path.write_text(sound)
    if status == 77:
        return None  # the killer can't run here: it says so among the tests
    return None if status != 0 else f"it survives {mutant.killer}: a test is missing"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", default=os.environ.get("ARENAKV_TESTS_FULL") == "1")
    wanted = [mutant for mutant in MUTANTS if parser.parse_args().full or mutant.quick]
    if stale := cannot_be_planted():
        raise SystemExit("\n".join(stale))
    failures = 0
    with tempfile.TemporaryDirectory(prefix="arenakv-mutants-") as place:
        tree, folder = pathlib.Path(place) / "tree", pathlib.Path(place) / "build"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        status, said = call("meson", "setup", folder, tree, "-Dtests=true", "-Dbuildtype=debug", "-Dwarning_level=0")
        if status != 0:
            raise SystemExit(f"meson setup fails:\n{said[-4000:]}")
        build(folder)
        limits = time_killers(tree, folder, {mutant.killer for mutant in wanted})
        for mutant in wanted:
            wrong = plant(tree, folder, mutant, limits[mutant.killer])
            print(f"{'killed  ' if wrong is None else 'SURVIVES'} {mutant.bug}{'' if wrong is None else ': ' + wrong}",
                  flush=True)
            failures += wrong is not None
    print(f"{len(wanted) - failures} of {len(wanted)} planted bugs were noticed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
