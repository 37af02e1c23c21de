#!/usr/bin/env python3
"""headers.py: every public header stands alone, in every C and C++ we name.

Promise: each header compiles as the only and first include of a translation unit, included twice, without a warning of
-Wall -Wextra -pedantic: with gcc as C99, C17, C++11 and C++20; with --full (or ARENAKV_TESTS_FULL=1) also as C11, C23,
C++14 and C++17 and with clang-19 and clang-22, where -Wpadded sees to it that no struct has hidden padding.
It does not look at macros that nobody uses here (inits.py does), nor at linking.
"""
import sys

import compilers  # first: it finds tests/rules
import public_api
import tree

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]


def main():
    parser = tree.parser(__doc__)
    parser.add_argument("--full", action="store_true", default=compilers.full())
    arguments = parser.parse_args()
    pairs, missing = compilers.split_by_presence((compilers.GCC,) + (compilers.CLANGS if arguments.full else ()))
    if compilers.GCC not in pairs:
        return compilers.skip("gcc and g++ are not installed")
    standards = compilers.STANDARDS + (compilers.OTHER_STANDARDS if arguments.full else ())
    jobs, include = [], ["-I", str(arguments.root / "include")]
    api = public_api.read(arguments.root)
    for header in api.headers:
        source = f'#include "{header}"\n#include "{header}"\nextern int not_empty;\n'
        # A compiler lays a struct out, and sees its padding, when somebody asks for its size.
        source += "".join(f"extern char size_of_{struct.name}[sizeof({struct.name})];\n" for struct in api.structs
                          if struct.path == f"include/{header}")
        for pair in pairs:
            for standard in standards:
                padded = ["-Wpadded"] if pair in compilers.CLANGS else []
                call = compilers.command(pair, standard) + WARNINGS + padded + include + ["-"]
                jobs.append((f"include/{header}:1: as {standard} with {pair[0]}", call, source))
    findings = [f"{label}: it must compile alone and without a warning:\n{output}"
                for label, status, output in compilers.run_all(jobs) if status != 0]
    result = tree.finish("every public header stands alone", findings, len(jobs))
    return result or (compilers.skip(f"not installed: {', '.join(missing)}; all others passed") if missing else 0)


sys.exit(main())
