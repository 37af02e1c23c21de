#!/usr/bin/env python3
"""inits.py: every AKV_..._INIT gives a struct that says its size and is zero besides.

Promise: each struct that starts with struct_size has an INIT macro and each INIT macro a struct; it initialises
without a warning in C99, C++11 and C++20 (-Wextra -Wmissing-field-initializers), as a constant; struct_size is the
struct's size and all other bytes are 0. With ARENAKV_TESTS_FULL=1 also with clang-19 and clang-22.
It does not look at what the library makes of such a struct.
"""
import pathlib
import sys
import tempfile

import compilers  # first: it finds tests/rules
import public_api
import tree

FLAGS = ["-Wall", "-Wextra", "-Wmissing-field-initializers", "-Werror", "-pedantic"]
PROGRAM = """#include "arenakv.h"
#include <stdio.h>
#include <string.h>

static int failures;

static void look(const char *where, const char *name, const void *value, size_t size, int has_size) {
  uint32_t told = 0;
  size_t first = has_size ? sizeof told : 0, i;
  if (has_size) memcpy(&told, value, sizeof told);
  if (has_size && told != size && ++failures)
    printf("%s: %s: struct_size is %u, the struct has %u bytes\\n", where, name, (unsigned)told, (unsigned)size);
  for (i = first; i < size; i++)
    if (((const unsigned char *)value)[i] != 0 && ++failures)
      printf("%s: %s: byte %u is not 0, and zero means default\\n", where, name, (unsigned)i);
}

int main(void) {
%s
  return failures != 0;
}
"""


def main():
    root = tree.root(__doc__)
    api = public_api.read(root)
    structs = {f"AKV_{struct.name[4:].upper()}_INIT": struct for struct in api.structs}
    inits = {macro.name: macro for macro in api.macros if macro.name.endswith("_INIT")}
    findings = [f"{struct.where}: {struct.name} starts with struct_size and has no {name}: add it behind the struct"
                for name, struct in structs.items() if struct.grows and name not in inits]
    findings += [f"{macro.where}: {name} belongs to no struct: its name is AKV_ + the struct's + _INIT"
                 for name, macro in inits.items() if name not in structs]
    body = "\n".join(f'  {{ static const {structs[name].name} value = {name}; '
                     f'look("{macro.where}", "{name}", &value, sizeof value, {int(structs[name].grows)}); }}'
                     for name, macro in inits.items() if name in structs)
    pairs, missing = compilers.split_by_presence((compilers.GCC,) + (compilers.CLANGS if compilers.full() else ()))
    if compilers.GCC not in pairs:
        return compilers.skip("gcc and g++ are not installed")
    with tempfile.TemporaryDirectory() as folder:
        program = str(pathlib.Path(folder) / "inits")
        for pair in pairs:
            for standard in ("c99", "c++11", "c++20"):
                call = compilers.command(pair, standard) + FLAGS + ["-I", str(root / "include"), "-o", program, "-"]
                status, output = compilers.run(call, PROGRAM.replace("%s\n  return", body + "\n  return"))
                if status == 0:
                    status, output = compilers.run([program])
                if status != 0:
                    findings.append(f"{output.rstrip()}\nas {standard} with {pair[0]}: an INIT must compile without a "
                                    "warning, say the size and be zero besides")
    result = tree.finish("every INIT macro gives a struct of its size, zero besides", findings, len(inits))
    return result or (compilers.skip(f"not installed: {', '.join(missing)}; all others passed") if missing else 0)


sys.exit(main())
