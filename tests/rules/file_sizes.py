#!/usr/bin/env python3
"""file_sizes.py: files stay small enough to read in one go.

Promise: the limits of LIMITS in lines a file; lib/, include/ and examples/ keep to 120 columns; a folder's README is at
most 120 lines long.
It does not look at the README and other documents in the root, at data, or at what the lines say.
"""
import sys

import tree

COLUMNS = 120
README = 120
CODE = (".c", ".h", ".cpp", ".hpp", ".py", ".rs", ".go")
# folder, suffixes, lines; the first that fits counts
LIMITS = (
    ("include", (".h",), 350),
    ("lib", (".h", ".hpp", ".cuh"), 250),
    ("lib", (".c", ".cpp", ".cu"), 400),
    ("tests", CODE, 500),
    ("examples", CODE, 500),
    ("kernelcheck", CODE, 500),
    ("bindings", CODE, 500),
)


def limit_of(name):
    for folder, suffixes, limit in LIMITS:
        if name.startswith(folder + "/") and name.endswith(suffixes):
            return limit
    return README if name.endswith("/README.md") else None


def main():
    root = tree.root(__doc__)
    findings = []
    paths = tree.files(root, "include", "lib", "cuda", "kernelcheck", "tests", "examples", "bindings",
                       suffixes=tree.SOURCES + (".map",), names=("meson.build", "README.md"))
    for path in paths:
        name = str(path.relative_to(root))
        lines = path.read_text().splitlines()
        limit = limit_of(name)
        if limit and len(lines) > limit:
            findings.append(f"{name}:{len(lines)}: {len(lines)} lines, at most {limit}: look for the seam and split it")
        if name.startswith(("lib/", "include/", "examples/")) and not name.endswith(".md"):
            for number, line in enumerate(lines, 1):
                if len(line) > COLUMNS:
                    findings.append(f"{name}:{number}: {len(line)} columns, at most {COLUMNS}: break the line")
    return tree.finish("files and lines stay within their limits", findings, len(paths))


sys.exit(main())
