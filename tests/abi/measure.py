"""measure.py: a small C program, made from the headers' names, that tells sizes, offsets and values.

The compiler is $CC, or gcc. It knows no golden file and no rule (facts.py does).
"""
import os
import pathlib
import re
import shlex
import shutil
import tempfile

import compilers

NOT_A_NUMBER = re.compile(r'$|[{}"]|__attribute__|extern\b|noexcept\b|AKV_API\b')
HELPERS = """#include "arenakv.h"
#include <stdio.h>
#define STRUCT(S) printf("%zu %zu\\n", sizeof(S), _Alignof(S))
#define FIELD(S, F) printf("%zu %zu\\n", offsetof(S, F), sizeof(((S *)0)->F))
#define CONSTANT(C) printf((C) < 0 ? "%lld\\n" : "%llu\\n", (long long)(C))
#define TYPE(T) printf("%zu\\n", sizeof(T))
int main(void) {
"""


def compiler():
    """As a list of words; None when it is not there."""
    words = shlex.split(os.environ.get("CC", "gcc"))
    return words if shutil.which(words[0]) else None


def ask(root, questions):
    """Compile and run the questions, one macro call each; the numbers of each answer. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        program = str(pathlib.Path(folder) / "measure")
        source = HELPERS + "".join(f"  {question};\n" for question in questions) + "  return 0;\n}\n"
        pathlib.Path(program + ".c").write_text(source)  # a file, so that the compiler shows the line it objects to
        flags = ["-std=c11", "-w", "-I", str(root / "include"), "-o", program, program + ".c"]
        status, output = compilers.run(compiler() + flags)
        if status == 0:
            status, output = compilers.run([program])
        if status != 0:
            raise RuntimeError(output)
        return [[int(number) for number in line.split()] for line in output.splitlines()]


def facts(root, api):
    """What facts.json holds."""
    constants = list(dict.fromkeys(one.name for one in api.enumerators + api.macros
                                   if one in api.enumerators or not NOT_A_NUMBER.match(one.text)))
    types = [alias for alias in api.aliases if alias.text != "opaque"]
    questions = [f"STRUCT({struct.name})" for struct in api.structs]
    questions += [f"FIELD({struct.name}, {field.name})" for struct in api.structs for field in struct.fields]
    questions += [f"CONSTANT({name})" for name in constants] + [f"TYPE({alias.name})" for alias in types]
    answers = iter(ask(root, questions))
    result = {"structs": {}, "constants": {}, "types": {}, "functions": {}}
    for struct in api.structs:
        size, align = next(answers)
        result["structs"][struct.name] = {"size": size, "align": align, "fields": {}}
    for struct in api.structs:
        for field in struct.fields:
            offset, size = next(answers)
            result["structs"][struct.name]["fields"][field.name] = {"type": field.text, "offset": offset, "size": size}
    result["constants"] = {name: next(answers)[0] for name in constants}
    result["types"] = {alias.name: {"is": alias.text, "size": next(answers)[0]} for alias in types}
    for one in sorted(api.functions, key=lambda one: one.name):
        result["functions"][one.name] = {"class": "".join(one.classes), "returns": one.returns,
                                         "parameters": one.parameters}
    return result
