#!/usr/bin/env python3
"""Print the version that include/arenakv/version.h states, for Meson: one place to change it."""
import pathlib
import re

text = (pathlib.Path(__file__).parent / "arenakv" / "version.h").read_text()
print(".".join(re.search(rf"AKV_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH")))
