#!/usr/bin/env python3
"""no_abort.py: the library ends no process, throws nothing, prints nothing, asks no environment variable.

Promise: none of the WORDS stands in the code of lib/, and no note of unfinished work in its comments either.
It does not look at what the standard library does inside (a throw of vector::at, an abort of a noexcept function), and
not at macros that make such words.
"""
import re
import sys

import tree

WORDS = (
    (r"\bassert\s*\(", "assert() ends the process: answer a status"),
    (r"\babort\s*\(", "abort() ends the process: answer a status"),
    (r"\b(?:_|quick_)?exit\s*\(|\b_Exit\s*\(", "exit() ends the process: answer a status"),
    (r"\bstd::terminate\b|\bterminate\s*\(", "terminate() ends the process: answer a status"),
    (r"\b__builtin_trap\b", "a trap ends the process: answer a status"),
    (r"\bthrow\b", "throw: return a Status"),
    (r"\b(?:f|v|vf|d|vd)?printf\s*\(", "prints to a stream: use the log hook (base/log.hpp)"),
    (r"\b(?:puts|fputs|putchar|perror)\s*\(", "prints to a stream: use the log hook (base/log.hpp)"),
    (r"\b(?:cout|cerr|clog)\b", "prints to a stream: use the log hook (base/log.hpp)"),
    (r"\bnew\b(?!\s*\()", "naked new: use RAII, placement new, or new (std::nothrow)"),
    (r"\b(?:secure_)?getenv\s*\(", "reads the environment: make it an option in a config struct"),
)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[^\n]*", re.MULTILINE)  # <new> is a header
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")


def main():
    root = tree.root(__doc__)
    findings, paths = [], tree.files(root, "lib", suffixes=tree.C_FAMILY)
    for path in paths:
        text = path.read_text()
        code = INCLUDE.sub(lambda match: tree.blank(match[0]), tree.code_of(text))
        hits = [(match.start(), say) for word, say in WORDS for match in re.finditer(word, code)]
        hits += [(match.start(), f"{match[0]}: finish it, or open an issue") for match in UNFINISHED.finditer(text)]
        findings += [f"{path.relative_to(root)}:{tree.line_of(text, offset)}: {say}" for offset, say in sorted(hits)]
    return tree.finish("lib/ ends no process, throws and prints nothing, asks no environment", findings, len(paths))


sys.exit(main())
