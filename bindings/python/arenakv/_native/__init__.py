"""The C library as Python sees it, and the only folder that knows ctypes: structs, functions, arrays, callbacks.

It knows nothing of caches as objects, and keeps no handle.
"""
from __future__ import annotations

from .arrays import Numbers, Tensor, memory, numbers, object_list, output, tensor_of, unsigned_of
from .byte_structs import LABEL_BYTES, MAX_DIMENSIONS
from .callbacks import call_later, set_log, with_progress
from .dlpack import export
from .library import check, error, last_error, lib, status_name
from .structs import values
from .scalars import I32, I64, U32, U64, address, array, integer, name_of, ref, sign, size, text, unsigned

__all__ = [
    "I32",
    "I64",
    "LABEL_BYTES",
    "MAX_DIMENSIONS",
    "Numbers",
    "Tensor",
    "U32",
    "U64",
    "address",
    "array",
    "call_later",
    "check",
    "error",
    "export",
    "integer",
    "last_error",
    "lib",
    "memory",
    "name_of",
    "numbers",
    "object_list",
    "output",
    "ref",
    "set_log",
    "sign",
    "size",
    "status_name",
    "tensor_of",
    "text",
    "unsigned",
    "unsigned_of",
    "values",
    "with_progress",
]
