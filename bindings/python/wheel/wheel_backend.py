"""wheel_backend.py: builds the wheel with meson-python, and then says for whom it is.

meson-python takes every shared object of a package for an extension module of one version of Python, and tags the wheel
cp3xx. Ours is a plain C library that ctypes loads: any Python 3 of this platform may have it. This knows no file of the
package; pip calls it as pyproject.toml says (PEP 517).
"""
from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import Any, Dict, Optional

import mesonpy
from mesonpy import (  # noqa: F401  the hooks that stay as they are
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)


def build_wheel(wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None,
                metadata_directory: Optional[str] = None) -> str:
    name = mesonpy.build_wheel(wheel_directory, config_settings, metadata_directory)
    command = [sys.executable, "-m", "wheel", "tags", "--remove", "--python-tag", "py3", "--abi-tag", "none",
               str(pathlib.Path(wheel_directory) / name)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(done.stdout.split()[-1]).name
