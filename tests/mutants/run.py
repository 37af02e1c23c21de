#!/usr/bin/env python3
"""run.py: plants bugs in a copy of the tree, one at a time; each must make a test fail.

    tests/mutants/run.py [--full]       without --full only those marked quick

The copy is built once; a bug costs the files it touches and its killer. A bug whose text no longer stands exactly once in
its file is an error: whoever changes that code plants it anew. It knows Meson and the names of test programs.
"""
from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from planted import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", "dist")
PROGRAMS = ("tests/contract/contract", "tests/model/random_operations")
TIME_LIMIT = 120  # of a killer: a planted bug may hang


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


def killer(folder: pathlib.Path, name: str) -> tuple[int, str]:
    """What the killers of this name answer; several are separated by commas."""
    filters = [part for part in name.split(",") if part != "model"]
    if filters:
        status, said = call(folder / PROGRAMS[0], "--abort", ",".join(filters), limit=TIME_LIMIT)
        if status != 0 or "model" not in name:
            return status, said
    return call(folder / PROGRAMS[1], "--operations", 200_000, limit=TIME_LIMIT)


def plant(tree: pathlib.Path, folder: pathlib.Path, mutant) -> str | None:
    """None if the bug was noticed, or what is wrong."""
    path = tree / mutant.path
    sound = path.read_text()
    if sound.count(mutant.old) != 1:
        return f"{mutant.path} has its text {sound.count(mutant.old)} times, not once: plant it anew"
    path.write_text(sound.replace(mutant.old, mutant.new))
    try:
        build(folder)
        status, _ = killer(folder, mutant.killer)
    finally:
        path.write_text(sound)
    return None if status != 0 else f"it survives {mutant.killer}: a test is missing"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", default=os.environ.get("ARENAKV_TESTS_FULL") == "1")
    wanted = [mutant for mutant in MUTANTS if parser.parse_args().full or mutant.quick]
    failures = 0
    with tempfile.TemporaryDirectory(prefix="arenakv-mutants-") as place:
        tree, folder = pathlib.Path(place) / "tree", pathlib.Path(place) / "build"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        status, said = call("meson", "setup", folder, tree, "-Dtests=true", "-Dbuildtype=debug", "-Dwarning_level=0")
        if status != 0:
            raise SystemExit(f"meson setup fails:\n{said[-4000:]}")
        build(folder)
        for name in sorted({mutant.killer for mutant in wanted}):
            status, said = killer(folder, name)
            if status != 0:
                raise SystemExit(f"without a bug {name} fails already:\n{said[-4000:]}")
        for mutant in wanted:
            wrong = plant(tree, folder, mutant)
            print(f"{'killed  ' if wrong is None else 'SURVIVES'} {mutant.bug}{'' if wrong is None else ': ' + wrong}",
                  flush=True)
            failures += wrong is not None
    print(f"{len(wanted) - failures} of {len(wanted)} planted bugs were noticed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
