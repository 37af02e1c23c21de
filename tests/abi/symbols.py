#!/usr/bin/env python3
"""symbols.py: what the headers declare, the map names and the library exports are the same names.

Promise: the three lists are equal; the map's global parts have no wildcard; the library needs nothing but libc and its
parts, stays loaded after dlclose (nodelete), has relro and immediate binding, no executable stack, no text relocation.
It does not look at the archive, at versions of libc's symbols, or at what a symbol does. Skipped for sanitizer builds.
Usage: symbols.py LIBRARY
"""
import pathlib
import re
import sys

import compilers  # first: it finds tests/rules
import public_api
import tree

MAP = "lib/libarenakv.map"
# libgcc_s comes with glibc, which asks for it. It must be the process's own copy: an exception that a host's callback
# throws is unwound by it, through our frames.
LIBC = re.compile(r"(?:lib(?:c|m|pthread|dl|rt|gcc_s)\.so\.\d+|ld-linux[\w-]*\.so\.\d+)$")


def map_names(text):
    """name -> line, of the global parts."""
    code, names = tree.code_of(text), {}
    for part in re.finditer(r"\bglobal:(.*?)(?=\blocal:|\})", code, re.DOTALL):
        for name in re.finditer(r"[^\s;]+", part[1]):
            names[name[0]] = tree.line_of(code, part.start(1) + name.start())
    return names


def exports(library):
    _, text = compilers.run(["nm", "-D", "--defined-only", str(library)])
    lines = [line.split() for line in text.splitlines()]
    # The map's version nodes are absolute symbols of their own.
    return {line[-1].split("@")[0] for line in lines if len(line) == 3 and line[1] != "A"}


def link_complaints(library):
    _, dynamic = compilers.run(["readelf", "-dW", str(library)])
    _, segments = compilers.run(["readelf", "-lW", str(library)])
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if not LIBC.match(name):
            yield f"it needs {name}: link that in, load it at run time, or put it into a library beside this one"
    stack = re.search(r"GNU_STACK.*", segments)
    flags = "".join(re.findall(r"\(FLAGS(?:_1)?\).*", dynamic))
    for fine, say in (("NODELETE" in flags, "not nodelete: link it with -Wl,-z,nodelete"),
                      ("NOW" in flags, "not bound at once: link it with -Wl,-z,now"),
                      ("GNU_RELRO" in segments, "no relro: link it with -Wl,-z,relro"),
                      (stack and "E" not in stack[0].split()[-2], "an executable stack: use -Wl,-z,noexecstack"),
                      ("TEXTREL" not in dynamic, "text relocations: compile everything with -fPIC")):
        if not fine:
            yield say


def main():
    parser = tree.parser(__doc__)
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--sanitizer", action="store_true", help="the library was built with one")
    arguments = parser.parse_args()
    if arguments.sanitizer:
        return compilers.skip("a sanitizer adds symbols and libraries of its own")
    if compilers.split_by_presence([("nm", "readelf")])[1]:
        return compilers.skip("nm and readelf (binutils) are not installed")
    declared = {function.name: function.where for function in public_api.read(arguments.root).functions}
    named = map_names((arguments.root / MAP).read_text())
    exported = exports(arguments.library)
    findings = [f"{MAP}:{line}: wildcard {name}: name every symbol"
                for name, line in named.items() if re.search(r"[*?\[\"]", name)]
    findings += [f"{declared[name]}: {name} is not in {MAP}: add it" for name in sorted(declared.keys() - named.keys())]
    findings += [f"{MAP}:{named[name]}: {name} is declared in no header: take it out, or declare it"
                 for name in sorted(named.keys() - declared.keys())]
    findings += [f"{declared[name]}: {name} is not exported: define it, with its header included"
                 for name in sorted(declared.keys() - exported)]
    findings += [f"{arguments.library}: exports {name}, which no header declares: hide it"
                 for name in sorted(exported - declared.keys())]
    findings += [f"{arguments.library}: {say}" for say in link_complaints(arguments.library)]
    return tree.finish("headers = map = exported symbols, and libc is all it needs", findings, len(declared))


sys.exit(main())
