#!/usr/bin/env python3
"""run.py: runs a test file against the package and the library that was just built.

The package loads the library that lies in its own folder, and nothing can talk it out of that: so this puts both into a
folder of their own, and imports from there. It knows no test. When all tests were skipped it exits with 77.
Usage: run.py --library LIBRARY [--sanitizer] TEST.py
"""
import argparse
import pathlib
import shutil
import sys
import tempfile
import unittest

SKIPPED = 77
PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "arenakv"


def stage(library, folder):
    """The package with its library, as the wheel has it."""
    shutil.copytree(PACKAGE, folder / "arenakv", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(library, folder / "arenakv" / "libarenakv.so")


def run(path):
    suite = unittest.defaultTestLoader.loadTestsFromName(path.stem)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        return 1
    reasons = sorted({reason for _, reason in result.skipped})
    if reasons:
        print("skipped:", "; ".join(reasons))
    if not result.testsRun and not reasons:
        print(f"{path.name} has no test")
        return 1
    return SKIPPED if len(result.skipped) >= result.testsRun else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--sanitizer", action="store_true", help="the library was built with one")
    parser.add_argument("test", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.sanitizer:
        print("skipped: a sanitizer's runtime comes with the program, and python3 has none")
        return SKIPPED
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as folder:
        stage(arguments.library, pathlib.Path(folder))
        sys.path[:0] = [folder, str(arguments.test.resolve().parent)]
        return run(arguments.test)


if __name__ == "__main__":
    sys.exit(main())
