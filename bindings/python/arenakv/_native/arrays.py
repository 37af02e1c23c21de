"""arrays.py: arrays of other people as addresses, without copies, and addresses as memory that Python can read.

An array is whatever NumPy makes (__array_interface__), a torch tensor on the host, or an object with the buffer
protocol (array.array, memoryview, bytearray). It imports neither NumPy nor torch.
"""
from __future__ import annotations

import array
import ctypes
from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Tuple

from .._errors import Status, make_error

# Types of array.array, as NumPy writes them.
_TYPES = {"i": "<i4", "I": "<u4", "q": "<i8", "Q": "<u8", "B": "|u1", "f": "<f4"}
_FORMATS = {"b": "|i1", "B": "|u1", "c": "|u1", "h": "<i2", "H": "<u2", "i": "<i4", "I": "<u4", "l": "<i8", "L": "<u8",
            "q": "<i8", "Q": "<u8", "e": "<f2", "f": "<f4", "d": "<f8"}
_TORCH = {"torch.int32": "<i4", "torch.int64": "<i8", "torch.uint8": "|u1", "torch.int8": "|i1", "torch.float32": "<f4",
          "torch.float16": "<f2", "torch.bfloat16": "bf16", "torch.float8_e4m3fn": "f8", "torch.uint16": "<u2",
          "torch.uint32": "<u4", "torch.uint64": "<u8"}


@dataclass(frozen=True)
class Numbers:
    """A packed array, for as long as `keep` lives."""

    address: Optional[int]
    count: int
    keep: object


@dataclass(frozen=True)
class Tensor:
    """A strided array, for as long as `keep` lives. Strides are in bytes."""

    address: int
    type: str
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]
    read_only: bool
    keep: object

    @property
    def count(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def packed(self) -> bool:
        return self.count == 0 or self.strides == _packed(self.shape, self._element())

    def _element(self) -> int:
        return {"bf16": 2, "f8": 1}.get(self.type) or int(self.type[2:])

    @property
    def bytes(self) -> int:
        """From the first byte to behind the last one."""
        if self.count == 0:
            return 0
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides))
        return reach + self._element()


def _packed(shape: Tuple[int, ...], element: int) -> Tuple[int, ...]:
    strides: List[int] = []
    for size in reversed(shape):
        strides.append(element)
        element *= size
    return tuple(reversed(strides))


class _Buffer(ctypes.Structure):
    """Py_buffer of the C API."""

    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t),
                ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int), ("ndim", ctypes.c_int),
                ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]


_FULL_READ_ONLY = 0x011C  # PyBUF_FULL_RO
_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int]
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.POINTER(_Buffer)]
_release_buffer.restype = None


def _address_of(view: memoryview) -> int:
    buffer = _Buffer()
    _get_buffer(view, buffer, _FULL_READ_ONLY)
    address: int = buffer.buf or 0
    _release_buffer(buffer)
    return address


def _of_interface(value: Any, interface: Any) -> Tensor:
    address, read_only = interface["data"]
    shape: Tuple[int, ...] = interface["shape"]
    kind: str = interface["typestr"]
    strides = interface.get("strides") or _packed(shape, int(kind[2:]))
    return Tensor(address, kind, shape, strides, read_only, value)


def _of_torch(value: Any) -> Tensor:
    if value.device.type != "cpu":
        raise make_error(Status.UNSUPPORTED, f"a tensor on {value.device}: this release has stores on the host only")
    element: int = value.element_size()
    return Tensor(value.data_ptr(), _TORCH.get(str(value.dtype), str(value.dtype)), tuple(value.shape),
                  tuple(stride * element for stride in value.stride()), False, value)


def tensor_of(value: Any) -> Tensor:
    """What an array is. TypeError for something that is none."""
    interface = getattr(value, "__array_interface__", None)
    if interface is not None:
        return _of_interface(value, interface)
    if hasattr(value, "data_ptr"):
        return _of_torch(value)
    view = memoryview(value)
    kind = _FORMATS.get(view.format.lstrip("@=<"), view.format)
    return Tensor(_address_of(view), kind, view.shape or (), view.strides or (), view.readonly, view)


def numbers(code: str, values: Iterable[Any]) -> Numbers:
    """An argument: an array of this type as it lies, anything else copied, one number after the other. One that does
    not fit is an OverflowError, one that is no number a TypeError."""
    if not isinstance(values, (bytes, str, list, tuple, range)):
        try:
            tensor = tensor_of(values)
        except TypeError:
            pass
        else:
            if tensor.type == _TYPES[code] and tensor.packed:
                return Numbers(tensor.address if tensor.count else None, tensor.count, tensor.keep)
    copied = array.array(code, iter(values))  # iter(): bytes are numbers one by one, not four to one
    return Numbers(copied.buffer_info()[0] if copied else None, len(copied), copied)


def output(code: str, name: str, buffer: Any) -> Tensor:
    """An array that a call fills: of exactly this type, packed, and not read-only."""
    tensor = tensor_of(buffer)
    wanted = _TYPES[code]
    if tensor.type != wanted or not tensor.packed or tensor.read_only:
        what = "read-only" if tensor.read_only else f"of {tensor.type}" if tensor.type != wanted else "not packed"
        raise make_error(Status.INVALID_ARGUMENT, f"{name} is {what}, must be a packed, writable array of {wanted}")
    return tensor


def object_list(handles: Iterable[int]) -> Numbers:
    """Handles of stores as the array of pointers that C takes."""
    return numbers("Q", list(handles))


def unsigned_of(numbers: Numbers) -> List[int]:
    """What an array of uint32 holds at this moment."""
    if numbers.address is None:
        return []
    return list((ctypes.c_uint32 * numbers.count).from_address(numbers.address))


def memory(address: int, size: int, read_only: bool, owner: object) -> memoryview:
    """Bytes at an address, which keep `owner` alive."""
    if size == 0:
        return memoryview(b"")
    block: Any = (ctypes.c_char * size).from_address(address)
    block.owner = owner
    view = memoryview(block).cast("B")
    return view.toreadonly() if read_only else view

