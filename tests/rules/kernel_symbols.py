#!/usr/bin/env python3
"""kernel_symbols.py: what is compiled for one instruction set has its table of kernels to link with, and nothing else.

Promise: each archive of kernels defines one symbol with linkage, akv::NAME_kernels, and it is no weak one. An inline
function that came out of a kernel's file could be the one that the linker keeps for all files: a processor without that
instruction set would meet it anywhere.
It does not look at local symbols, nor at what kernels call. Skipped for sanitizer builds.
Usage: kernel_symbols.py ARCHIVE...
"""
import pathlib
import re
import shutil
import subprocess
import sys

import tree

TABLE = re.compile(r"_ZN3akv\d+\w+_kernelsE$")
LOCAL = re.compile(r"[a-tx-z]$")  # u, v and w are unique and weak ones


def findings_in(archive):
    listing = subprocess.run(["nm", "--defined-only", str(archive)], text=True, capture_output=True, check=True).stdout
    symbols = [line.split() for line in listing.splitlines() if len(line.split()) == 3]
    linked = [(kind, name) for _, kind, name in symbols if not LOCAL.match(kind)]
    for kind, name in linked:
        if not TABLE.match(name):
            yield f"{archive}: {name} ({kind}) can be linked with: put it into the unnamed namespace"
        elif kind in "WVuvw":
            yield f"{archive}: {name} ({kind}) is weak: define it once, extern and constinit"
    if not any(TABLE.match(name) for _, name in linked):
        yield f"{archive}: there is no akv::..._kernels in it"


def main():
    parser = tree.parser(__doc__)
    parser.add_argument("archives", type=pathlib.Path, nargs="*")
    parser.add_argument("--sanitizer", action="store_true", help="they were built with one")
    arguments = parser.parse_args()
    if arguments.sanitizer or shutil.which("nm") is None:
        print("skipped: a sanitizer adds symbols of its own" if arguments.sanitizer else "skipped: nm is not installed")
        return 77
    findings = [finding for archive in arguments.archives for finding in findings_in(archive)]
    return tree.finish("kernels of one instruction set have their table to link with, and nothing else", findings,
                       len(arguments.archives))


sys.exit(main())
