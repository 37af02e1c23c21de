#!/usr/bin/env python3
"""coverage.py: every C function has its place in arenakv.hpp, and bindings/coverage.toml says which.

Promise: the functions of lib/libarenakv.map and the lines of the file are the same; each one's function or class is in
the headers, which call it (`raw-only: why` if they do not). It does not look at what they do.
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[3]


def main() -> int:
    exported = re.findall(r"^ {4}(akv_\w+);", (ROOT / "lib" / "libarenakv.map").read_text(), re.MULTILINE)
    listed = dict(re.findall(r'^\[(akv_\w+)\]\ncpp = "([^"]+)"$', (ROOT / "bindings" / "coverage.toml").read_text(), re.MULTILINE))
    headers = "".join(path.read_text() for path in sorted((HERE.parents[1] / "arenakv" / "cpp").glob("*.hpp")))
    code = re.sub(r"//[^\n]*", "", headers)
    findings = [f"{name}: no line in bindings/coverage.toml" for name in exported if name not in listed]
    findings += [f"{name}: is not exported" for name in listed if name not in exported]
    for name, place in listed.items():
        if place.startswith("raw-only: "):
            continue
        owner, _, word = place.rpartition(".")
        if not re.search(rf"\b{word or place}\b", code) or (owner and not re.search(rf"\bBasic{owner}\b", code)):
            findings.append(f"{name}: there is no {place}")
        if not re.search(rf"\b{name}\b", code):
            findings.append(f"{name}: nothing calls it")
    for finding in findings:
        print(finding)
    print(f"{len(exported)} functions, {len(findings)} findings")
    return 1 if findings or not exported else 0


if __name__ == "__main__":
    sys.exit(main())
