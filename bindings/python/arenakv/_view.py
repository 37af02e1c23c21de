"""_view.py: bytes of a store or a page pool as a strided tensor: for NumPy, torch, and whatever reads DLPack.

A view keeps the memory it looks at, also when its store was closed meanwhile. It touches no byte, and can't know when
the blocks change hands: hold the sequence, a lease or a pin for as long as it is read.
"""
from __future__ import annotations

import importlib
from typing import Any, Optional, Tuple

from . import _native
from ._enums import DType
from ._errors import Status, make_error
from ._managed import Pin
from ._native import byte_structs as b
from ._native.dlpack import HOST_DEVICE

lib, check, unsigned = _native.lib, _native.check, _native.unsigned

_READ_ONLY = 1
# As NumPy writes them; what it lacks is its bits. And DLPack's codes and bits.
_NUMPY = {DType.F32: "<f4", DType.F16: "<f2", DType.BF16: "<u2", DType.F8_E4M3: "|u1", DType.I8: "|i1"}
_DLPACK = {DType.F32: (2, 32), DType.F16: (2, 16), DType.BF16: (4, 16), DType.F8_E4M3: (1, 8), DType.I8: (0, 8)}


class View:
    """A strided tensor over memory of the library or of the caller's: `shape`, `strides` (bytes), `dtype`, `read_only`.

    numpy.asarray(view) and torch.from_dlpack(view) work, and numpy() and torch() are the same. NumPy has no bfloat16
    and no float8: it gets their bits as uint16 and uint8.
    """

    def __init__(self, struct: Any, pin: Pin, read_only: bool) -> None:
        self._struct, self._pin = struct, pin
        if read_only:
            struct.flags |= _READ_ONLY

    @property
    def shape(self) -> Tuple[int, ...]:
        return tuple(self._struct.shape[:self._struct.num_dimensions])

    @property
    def strides(self) -> Tuple[int, ...]:
        return tuple(self._struct.strides[:self._struct.num_dimensions])

    @property
    def dtype(self) -> DType:
        return DType(self._struct.dtype)

    @property
    def read_only(self) -> bool:
        return bool(self._struct.flags & _READ_ONLY)

    @property
    def data(self) -> int:
        """The address of the first element, for kernels."""
        return self._struct.data or 0

    @property
    def epoch(self) -> int:
        """Of what it belongs to: it is valid as long as that says the same."""
        epoch: int = self._struct.epoch
        return epoch

    # -- other views of the same bytes --

    def _like(self, out: Any) -> View:
        return View(out, self._pin, self.read_only)

    def slice(self, dimension: int, first: int, count: int) -> View:
        """The part [first, first + count) of one dimension."""
        out = b.View()
        check(lib.akv_view_slice(self._struct, unsigned("dimension", dimension), unsigned("first", first, 64),
                                 unsigned("count", count, 64), out))
        return self._like(out)

    def reshape(self, *shape: int) -> View:
        """The same elements in the same order under another shape; one size may be -1. What would need a copy is a
        StateError (NOT_CONTIGUOUS)."""
        out, sizes = b.View(), _native.numbers("q", shape)
        check(lib.akv_view_reshape(self._struct, sizes.address, sizes.count, out))
        return self._like(out)

    def permute(self, *order: int) -> View:
        """The same elements with the dimensions in another order."""
        if len(order) != self._struct.num_dimensions:
            raise make_error(Status.INVALID_ARGUMENT, f"{len(order)} dimensions, must be {self._struct.num_dimensions}")
        out, numbers = b.View(), _native.numbers("I", order)
        check(lib.akv_view_permute(self._struct, numbers.address, out))
        return self._like(out)

    def measure(self) -> Tuple[bool, int]:
        """Whether the elements are one packed run of bytes, and how many bytes they have."""
        contiguous, size = _native.U32(), _native.U64()
        check(lib.akv_view_measure(self._struct, _native.ref(contiguous), _native.ref(size)))
        return bool(contiguous.value), size.value

    # -- for others --

    def memory(self) -> memoryview:
        """The bytes of a packed view."""
        contiguous, size = self.measure()
        if not contiguous:
            raise make_error(Status.NOT_CONTIGUOUS, "the elements of this view are not one run of bytes")
        return _native.memory(self.data, size, self.read_only, self)

    @property
    def __array_interface__(self) -> Any:
        return {"version": 3, "typestr": _NUMPY[self.dtype], "shape": self.shape, "strides": self.strides,
                "data": (self.data, self.read_only)}

    def numpy(self) -> Any:
        """As a NumPy array, read-only if the view is."""
        return importlib.import_module("numpy").asarray(self)

    def torch(self, *, shared: bool = False) -> Any:
        """As a torch tensor. torch can't mark one as read-only: for a view that is, say `shared`, and don't write."""
        if self.read_only and not shared:
            raise make_error(Status.INVALID_ARGUMENT, "this view is read-only, which no torch tensor is: read it with "
                             "torch(shared=True), and do not write to it")
        torch = importlib.import_module("torch")
        tensor = torch.from_dlpack(_Writable(self))
        return tensor.view(torch.float8_e4m3fn) if self.dtype is DType.F8_E4M3 else tensor

    def __dlpack__(self, *, stream: Any = None, max_version: Optional[Tuple[int, int]] = None,
                   dl_device: Optional[Tuple[int, int]] = None, copy: Optional[bool] = None) -> object:
        return self._capsule(self.read_only, max_version, dl_device, copy)

    def _capsule(self, read_only: bool, max_version: Optional[Tuple[int, int]],
                 dl_device: Optional[Tuple[int, int]], copy: Optional[bool]) -> object:
        if copy or dl_device not in (None, HOST_DEVICE):
            raise BufferError("a view is bytes of the host as they lie: nothing is copied")
        code, bits = _DLPACK[self.dtype]
        steps = tuple(stride // (bits // 8) for stride in self.strides)
        return _native.export(self.data, (code, bits), self.shape, steps, read_only, self, max_version)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return HOST_DEVICE

    def __repr__(self) -> str:
        return f"<arenakv.View {self.dtype.name} {self.shape}{' read-only' if self.read_only else ''}>"


class _Writable:
    """A view whose reader has vouched that nothing is written."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __dlpack__(self, *, stream: Any = None, max_version: Optional[Tuple[int, int]] = None,
                   dl_device: Optional[Tuple[int, int]] = None, copy: Optional[bool] = None) -> object:
        return self._view._capsule(False, max_version, dl_device, copy)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return HOST_DEVICE

