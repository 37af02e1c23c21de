"""dlpack.py: a strided tensor in host memory as a DLPack capsule: https://dmlc.github.io/dlpack (versions 0.8 and 1.0).

It knows no view: address, shape and strides are handed in, and an owner, which lives as long as the capsule's tensor.
"""
from __future__ import annotations

import ctypes
from typing import Any, Dict, Optional, Tuple

_READ_ONLY = 1
_HOST = 1  # kDLCPU
HOST_DEVICE = (_HOST, 0)


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


class _Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
                ("deleter", _Deleter), ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


_living: Dict[int, Tuple[Any, ...]] = {}  # address of the struct -> the struct, its arrays, the owner


def _forget(address: int) -> None:
    _living.pop(address, None)


_deleter = _Deleter(_forget)
_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_api.PyCapsule_IsValid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
# Names must outlive the capsules.
_NAME, _VERSIONED_NAME = ctypes.c_char_p(b"dltensor"), ctypes.c_char_p(b"dltensor_versioned")


def _drop(capsule: int) -> None:
    """A capsule that nobody consumed ends its tensor; a consumer has renamed it, and calls the deleter."""
    for name in (_NAME, _VERSIONED_NAME):
        if _api.PyCapsule_IsValid(capsule, name):
            _forget(_api.PyCapsule_GetPointer(capsule, name))


_drop_hook = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(_drop)


def export(address: int, dtype: Tuple[int, int], shape: Tuple[int, ...], strides: Tuple[int, ...], read_only: bool,
           owner: object, max_version: Optional[Tuple[int, int]]) -> object:
    """A capsule. `dtype` is DLPack's code and bits; strides are in elements. What is read-only needs version 1."""
    versioned = max_version is not None and max_version[0] >= 1
    if read_only and not versioned:
        raise BufferError("this view is read-only, which DLPack can say from version 1 on: ask with max_version=(1, 0)")
    managed: Any = _Versioned(major=1, minor=0, flags=_READ_ONLY if read_only else 0) if versioned else _Managed()
    managed.deleter = _deleter
    sizes, steps = (ctypes.c_int64 * len(shape))(*shape), (ctypes.c_int64 * len(strides))(*strides)
    managed.tensor = _Tensor(address, _HOST, 0, len(shape), dtype[0], dtype[1], 1,
                             ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64)),
                             ctypes.cast(steps, ctypes.POINTER(ctypes.c_int64)), 0)
    place = ctypes.addressof(managed)
    _living[place] = (managed, sizes, steps, owner)
    name = _VERSIONED_NAME if versioned else _NAME
    capsule: object = _api.PyCapsule_New(place, name, ctypes.cast(_drop_hook, ctypes.c_void_p))
    return capsule
