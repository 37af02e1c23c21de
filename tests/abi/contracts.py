#!/usr/bin/env python3
"""contracts.py: every public function carries its contract, and its name and class agree.

Promise: right before each function stands a comment with one line " * META ..." whose word is the export macro's, a
line " * Thread ..." in the words any, per-seq, exclusive, callback, and a line " * Fails ..."; who answers akv_status
is AKV_NODISCARD; all are AKV_NOEXCEPT; `copy` is in a name if and only if the class is COPY; an akv_stream parameter is
there if and only if the class is ORDER, COPY, KERNEL or WAIT (but where one is made or ended); fields of structs are
fixed-width integers, floats and pointers.
It does not look at whether the contract is true: the tests named after the promises do.
"""
import re
import sys

import compilers  # noqa: F401  first: it finds tests/rules
import public_api
import tree

THREAD_WORDS = {"any", "per-seq", "exclusive", "callback"}
STREAM_CLASSES = {"ORDER", "COPY", "KERNEL", "WAIT"}
PLAIN = re.compile(r"(?:u?int(?:8|16|32|64)_t|float|double)(?: ?\[\w+\])*$")
UNFIT = re.compile(r"\b(?:bool|_Bool|enum|union|long|size_t|int|unsigned|short)\b|:")


def block_complaints(comment, cls):
    lines = re.findall(r"^ \* (\w+) +(\S.*)", comment, re.MULTILINE)
    found = [word for word, _ in lines if word in public_api.CLASSES]
    if found != [cls]:
        found = ", ".join(found) or "none"
        yield f'its class line must be " * {cls} ...", the word of the export macro; found: {found}'
    threads = [text for word, text in lines if word == "Thread"]
    words = set(re.split(r"[,\s]+", re.split(r"[.:;]", threads[0])[0].strip())) if len(threads) == 1 else set()
    if not words or words - THREAD_WORDS:
        yield f'it wants one line " * Thread ..." in the words {", ".join(sorted(THREAD_WORDS))}; found: {threads}'
    if [word for word, _ in lines].count("Fails") != 1:
        yield 'it wants one line " * Fails ..."; "never." is an answer'


def function_complaints(function):
    if len(function.classes) != 1:
        yield f"it wants one export macro: AKV_{', AKV_'.join(public_api.CLASSES)}"
        return
    cls = function.classes[0]
    if function.comment:
        yield from block_complaints(function.comment, cls)
    else:
        yield "no contract: the comment with it must end on the line before"
    if function.returns == "akv_status" and "AKV_NODISCARD" not in function.words:
        yield "it answers akv_status: add AKV_NODISCARD"
    if "AKV_NOEXCEPT" not in function.words:
        yield "add AKV_NOEXCEPT behind it"
    if ("copy" in function.name) != (cls == "COPY"):
        yield f"`copy` is in a name if and only if the class is COPY; this one is {cls}"
    makes_or_ends_one = function.name in ("akv_stream_create", "akv_stream_destroy")
    if not makes_or_ends_one and (
            any("akv_stream " in parameter for parameter in function.parameters) != (cls in STREAM_CLASSES)):
        yield f"a stream parameter is there if and only if the class is ORDER, COPY, KERNEL or WAIT; this one is {cls}"


def main():
    api = public_api.read(tree.root(__doc__))
    findings = [f"{function.where}: {function.name}: {say}"
                for function in api.functions for say in function_complaints(function)]
    plain_names = {alias.name for alias in api.aliases if PLAIN.match(alias.text)}
    for struct in api.structs:
        for field in struct.fields:
            base = re.sub(r" ?\[\w+\]", "", field.text)
            if UNFIT.search(field.text) or not (PLAIN.match(field.text) or base in plain_names or "*" in field.text):
                findings.append(f"{field.where}: {struct.name}.{field.name}: `{field.text}` is not for a struct: "
                                "fixed-width integers, float, double and pointers only, one to a declaration")
    findings += [f"{other.where}: `{other.text}` is no declaration for a public header" for other in api.strange]
    return tree.finish("every public function carries its contract", findings, len(api.functions) + len(api.structs))


sys.exit(main())
