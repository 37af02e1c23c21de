#!/usr/bin/env python3
"""readme.py: what the READMEs quote and point to is there.

Promise: a code block behind a line <!-- path --> is a part of that file, word for word; a relative link leads to a file
or folder; the README in the root has the two commands and says which platforms are out of scope (S5 S6).
It does not look at addresses of other machines, nor at whether the figures are true.
"""
import re
import sys

import tree

QUOTE = re.compile(r"<!-- (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
IN_ROOT = ("arenakv replay", "tests/run", "Windows", "arm64")


def main():
    root = tree.root(__doc__)
    findings, paths = [], [root / "README.md"]
    paths += tree.files(root, "include", "lib", "kernelcheck", "tests", "examples", "bindings", suffixes=(), names=("README.md",))
    for path in paths:
        name, text = path.relative_to(root), path.read_text() if path.exists() else ""
        for match in QUOTE.finditer(text):
            source = root / match[1]
            if not source.is_file() or match[2] not in source.read_text():
                findings.append(f"{name}:{tree.line_of(text, match.start())}: this is not in {match[1]}: quote it anew")
        for match in LINK.finditer(text):
            if not (path.parent / match[1]).exists():
                findings.append(f"{name}:{tree.line_of(text, match.start())}: {match[1]} is not there")
    text = paths[0].read_text() if paths[0].exists() else ""
    findings += [f'README.md:1: "{words}" is not mentioned' for words in IN_ROOT if words not in text]
    return tree.finish("the READMEs quote and link what is there", findings, len(paths))


sys.exit(main())
