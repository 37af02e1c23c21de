#!/usr/bin/env python3
"""layers.py: include arrows point down.

Promise: in lib/, api > data > meta > order > mem, model, obs > base: a folder includes itself and what is below it,
and nothing of tests/, examples/ or bindings/; meta/ never learns of data/. examples/ and bindings/ include public
headers and their own files only.
It does not look at calls through pointers, at #if conditions, at system headers, or at Rust, Go and Python.
"""
import re
import sys

import tree

LEVEL = {"api": 5, "data": 4, "meta": 3, "order": 2, "mem": 1, "model": 1, "obs": 1, "base": 0}
OUTSIDE = ("tests", "examples", "bindings", "cuda", "kernelcheck")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)


def is_public(name):
    return name == "arenakv.h" or name.startswith("arenakv/")


def complaint_in_lib(root, path, quote, name):
    folder, first = path.relative_to(root / "lib").parts[0], name.split("/")[0]
    if folder not in LEVEL:
        return f"the folder lib/{folder} has no level: give it one in tests/rules/layers.py"
    if ".." in name.split("/"):
        return f'"{name}" goes up: write the path from lib/ on'
    if first in OUTSIDE:
        return f'"{name}" is not for the library: lib/ includes lib/ and public headers only'
    if first == "data" and folder == "meta":
        return f'"{name}": meta/ may never know data/ (the byte boundary): make a plan record instead'
    if first in LEVEL and first != folder and LEVEL[first] >= LEVEL[folder]:
        way = "sideways" if LEVEL[first] == LEVEL[folder] else "up"
        return f'"{name}" points {way} from {folder}/: move what is shared further down'
    if quote == '"' and first not in LEVEL and not is_public(name):
        return f'"{name}" is neither of lib/ nor public: write "folder/name.hpp"'
    return None


def complaint_outside(root, path, quote, name):
    top = root / path.relative_to(root).parts[0]
    own = any((folder / name).resolve().is_relative_to(top) and (folder / name).is_file()
              for folder in path.parents if folder.is_relative_to(top))
    if is_public(name) or own or (quote == "<" and name.split("/")[0] not in LEVEL):
        return None
    return f'"{name}" is not public: include "arenakv.h" or "arenakv/....h"'


def main():
    root = tree.root(__doc__)
    findings, paths = [], tree.files(root, "lib", "examples", "bindings", suffixes=tree.C_FAMILY)
    for path in paths:
        text = tree.code_of(path.read_text(), keep_quoted=True)
        check = complaint_in_lib if path.is_relative_to(root / "lib") else complaint_outside
        for match in INCLUDE.finditer(text):
            complaint = check(root, path, match[1], match[2])
            if complaint:
                findings.append(f"{path.relative_to(root)}:{tree.line_of(text, match.start(1))}: {complaint}")
    return tree.finish("include arrows point down", findings, len(paths))


sys.exit(main())
