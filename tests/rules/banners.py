#!/usr/bin/env python3
"""banners.py: every file says in its first lines what it is.

Promise: C, C++, Rust and Go files start with a comment that names the file ("name.hpp: what it is"); Python files start
with a docstring or a comment, shell scripts with a comment (after the #! line), a meson.build with a comment.
It does not look at whether the banner is true, or says what the file does not know: that is for readers.
"""
import re
import sys

import tree

FOLDERS = ("lib", "include", "kernelcheck", "tests", "examples", "bindings")


def wanted(path):
    """What the first lines must look like, and in words."""
    if path.suffix in tree.C_FAMILY + (".rs", ".go"):
        build_tag, opening = r"(?://go:build[^\n]*\n+)?", r"(?:/\*+|//[/!]?)\s*"
        return build_tag + opening + re.escape(path.name) + r": \S", f'"{path.name}: what it is"'
    if path.suffix == ".py":
        return r'(?:#![^\n]*\n)?\s*(?:#\s*\w|r?"""\s*\S)', "a docstring that says what it is"
    if path.suffix == ".sh":
        return r"(?:#![^\n]*\n)?\s*#\s*\w", "a comment that says what it is"
    return r"#\s*\w", "a comment that says what is built here"


def main():
    root = tree.root(__doc__)
    findings, paths = [], tree.files(root, *FOLDERS, names=("meson.build",))
    for path in paths:
        pattern, words = wanted(path)
        if not re.match(pattern, path.read_text()):
            findings.append(f"{path.relative_to(root)}:1: no banner: start with {words}")
    return tree.finish("every file starts with a banner", findings, len(paths))


sys.exit(main())
