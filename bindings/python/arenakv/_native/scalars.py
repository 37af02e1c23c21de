"""scalars.py: single numbers and texts on their way into the library and out of it.

ctypes cuts off what does not fit into a field, so every number is looked at before. It knows no struct.
"""
from __future__ import annotations

import ctypes
import operator
from typing import Any, Callable

from .._errors import Status, make_error
from .library import check

# A number that a call fills in: out = U64(); call(..., ref(out)); out.value
I32, U32, I64, U64 = ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64
ref: Any = ctypes.byref


def integer(name: str, value: int, low: int, high: int) -> int:
    """`value` as an integer that lies within these bounds, or an ArgumentError."""
    number = operator.index(value)
    if not low <= number <= high:
        raise make_error(Status.INVALID_ARGUMENT, f"{name} is {number}, must be {low} to {high}")
    return number


def unsigned(name: str, value: int, bits: int = 32) -> int:
    return integer(name, value, 0, (1 << bits) - 1)


def sign(name: str, value: int, bits: int = 32) -> int:
    """A signed integer of so many bits."""
    return integer(name, value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def size(struct: Any) -> int:
    """The size of a struct, for functions that take an element size."""
    return ctypes.sizeof(struct)


def array(struct: Any, count: int) -> Any:
    """An array of `count` structs, all zero."""
    return (struct * count)()


def address(thing: Any) -> int:
    """Where a struct or an array of them lies. It must be kept by whoever writes this address down."""
    return ctypes.addressof(thing)


def text(call: Callable[[Any, int, Any], int]) -> str:
    """Call until the buffer is large enough: the text may grow in between."""
    capacity, length = 4096, U64()
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        status = call(buffer, capacity, ref(length))
        if status != Status.BUFFER_TOO_SMALL:
            check(status)
            return buffer.value.decode(errors="replace")
        capacity = length.value + 1


def name_of(function: Any, number: int) -> str:
    """A text of the library's own, or nothing."""
    name: Any = function(number)
    return name.decode() if name else ""
