#!/usr/bin/env python3
"""ledger.py: nothing is added to the ABI without a line in its ledger.

Promise: every function and struct of the public headers is named, as a whole word in `quotes`, in include/CHANGELOG.md.
It does not look at constants and other types (the ledger names them in groups), nor at names that have gone.
"""
import re
import sys

import public_api
import tree


def main():
    root = tree.root(__doc__)
    api = public_api.read(root)
    path = root / "include" / "CHANGELOG.md"
    named = set(re.findall(r"`(\w+)`", path.read_text() if path.is_file() else ""))
    names = api.functions + api.structs
    findings = [f"{name.where}: {name.name} is not in include/CHANGELOG.md: add a line for it to the newest version"
                for name in names if name.name not in named]
    return tree.finish("every function and struct is in the ABI ledger, include/CHANGELOG.md", findings, len(names))


sys.exit(main())
