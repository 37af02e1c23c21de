#!/usr/bin/env python3
"""facts.py: the real compiler measures the public headers, and a golden file holds what it found.

Promise: facts.json has every struct (size, alignment, type, offset and size of each field), constant, type name and
function (class, types); a difference to facts.golden.json is told, and fails from version 1 on; before that it is
advisory. Hidden padding in a struct always fails. Bindings can be checked against the same facts.json.
It does not look at what names mean, at parameters' names, or at the version's own number; it knows one kind of machine:
64-bit little-endian Linux.
Usage: facts.py [--output FILE] [--update]
"""
import json
import pathlib
import re
import sys

import compilers  # first: it finds tests/rules
import measure
import public_api
import tree

GOLDEN = "tests/abi/facts.golden.json"


def padding(api, facts):
    for struct in api.structs:
        fact, end = facts["structs"][struct.name], 0
        for field in struct.fields:
            here = fact["fields"][field.name]
            hidden = here["offset"] - end
            if hidden:
                yield f"{field.where}: {struct.name} hides {hidden} bytes before {field.name}: name them `unused`"
            end = here["offset"] + here["size"]
        if end != fact["size"]:
            yield f"{struct.where}: {struct.name} hides {fact['size'] - end} bytes at its end: name them `unused`"


def flat(facts, prefix=""):
    """A dictionary with one key per fact, for telling differences."""
    if not isinstance(facts, dict) or any(isinstance(facts.get(key), str) for key in ("type", "is", "class")):
        return {prefix: json.dumps(facts)}
    return {key: value for name, inner in facts.items()
            for key, value in flat(inner, f"{prefix}.{name}".strip(".")).items()}


def as_text(facts):
    """JSON with one line per fact."""
    text = json.dumps(facts, indent=1) + "\n"
    return re.sub(r"\{\s+([^{}]*?)\s+\}", lambda match: "{" + " ".join(match[1].split()) + "}", text)


def main():
    parser = tree.parser(__doc__)
    parser.add_argument("--output", type=pathlib.Path, help="where facts.json goes; default: nowhere")
    parser.add_argument("--update", action="store_true", help="make what was measured the golden file")
    arguments = parser.parse_args()
    if measure.compiler() is None:
        return compilers.skip("no C compiler: set CC")
    api = public_api.read(arguments.root)
    try:
        facts = measure.facts(arguments.root, api)
    except RuntimeError as error:
        print(f"include/arenakv.h:1: its structs and constants can't be measured:\n{error}")
        return 1
    if arguments.output:
        arguments.output.write_text(as_text(facts))
    golden = arguments.root / GOLDEN
    if arguments.update:
        golden.write_text(as_text(facts))
    old, new = flat(json.loads(golden.read_text()) if golden.is_file() else {}), flat(facts)
    changes = [f"{GOLDEN}: {key}: was {old.get(key, 'not there')}, is {new.get(key, 'gone')}"
               for key in sorted(old.keys() | new.keys())
               if old.get(key) != new.get(key) and not key.startswith("constants.AKV_VERSION")]
    findings = list(padding(api, facts))
    if facts["constants"].get("AKV_VERSION_MAJOR", 0) >= 1:
        findings += changes
    elif changes:
        print("\n".join(changes))
        print(f"advisory: {len(changes)} differences, only told before 1.0; to accept: tests/abi/facts.py --update")
    return tree.finish("structs hide no padding, and from 1.0 on the ABI is as in the golden file", findings, len(new))


sys.exit(main())
