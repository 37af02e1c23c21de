"""kernel_files.py: the kernels for whoever compiles the library without Meson: which files, with which flags.

The flags are those of lib/meson.build. It knows file names; no compiler.
"""
from __future__ import annotations

import pathlib
import platform

# One file for each instruction set; together they are what isa.cpp chooses from.
FLAGS = {"plain.cpp": [], "avx2.cpp": ["-mavx2", "-mfma", "-mf16c"],
         "avx512.cpp": ["-march=x86-64-v4", "-mavx512bf16", "-mavx512vnni"], "neon.cpp": []}
OF = {"x86_64": ("plain.cpp", "avx2.cpp", "avx512.cpp"), "aarch64": ("plain.cpp", "neon.cpp")}


def is_kernel(source: str | pathlib.Path) -> bool:
    path = pathlib.Path(source)
    return path.name in FLAGS and path.parent.name == "kernels"


def flags(source: str | pathlib.Path) -> list[str]:
    """What a source of the library is compiled with besides."""
    return [*FLAGS[pathlib.Path(source).name], "-ffp-contract=off"] if is_kernel(source) else []


def with_kernels(lib: str | pathlib.Path, sources: list[str], machine: str | None = None) -> list[str]:
    """The library's sources, whether its kernels are among them or not, with those of this machine."""
    own = [str(pathlib.Path(lib) / "data/kernels" / name) for name in OF[machine or platform.machine()]]
    return [source for source in sources if not is_kernel(source)] + own
