"""_image.py: one saved sequence as bytes: checked, read, and put into a file. cache.copy.save() makes one.

A checksum is no signature: load what you trust as much as the domain that it is loaded into.
"""
from __future__ import annotations

import os
from typing import Any, List, Optional, Union

from . import _native
from ._byte_state import ImageInfo
from ._errors import Status
from ._geometry import Geometry, read_group
from ._native import byte_structs as b

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class Image:
    """An image in some memory of yours: `data`, of which the first `size` bytes are it."""

    def __init__(self, data: Any, size: Optional[int] = None) -> None:
        self.data = data
        self.size = memoryview(data).nbytes if size is None else size

    def bytes_at(self) -> _native.Tensor:
        tensor = _native.tensor_of(self.data)
        if not tensor.packed or tensor.bytes < self.size:
            raise ValueError(f"an image of {self.size} bytes in {tensor.bytes} bytes of memory")
        return tensor

    def __bytes__(self) -> bytes:
        return bytes(memoryview(self.data).cast("B")[:self.size])

    def check(self) -> ImageInfo:
        """Look at every byte. Damage is a ContentError (BAD_IMAGE)."""
        at, info = self.bytes_at(), b.ImageInfo()
        check(lib.akv_image_check(at.address, self.size, info))
        return ImageInfo(**{**_native.values(info), "label": bytes(info.label)})

    def geometry(self) -> Geometry:
        """The layers that it is of: to make a cache for it."""
        at = self.bytes_at()
        return read_group(lambda *out: lib.akv_image_read_group(at.address, self.size, *out))

    def tokens(self, first: int = 0, count: Optional[int] = None) -> List[int]:
        """Token ids from position `first` on (None: all)."""
        at = self.bytes_at()
        number = max(self.check().num_tokens - first, 0) if count is None else unsigned("count", count)
        ids = _native.array(_native.I32, number)
        check(lib.akv_image_read_tokens(at.address, self.size, unsigned("first", first), number, ids))
        found: List[int] = ids[:]
        return found

    def write_file(self, path: Path) -> None:
        """Into a file, which is the old one or the new one, whole, at every moment."""
        at = self.bytes_at()
        check(lib.akv_image_write_file(_path(path), at.address, self.size))

    @staticmethod
    def read_file(path: Path) -> Image:
        """Out of a file; its header is checked, and the rest by check() or load()."""
        size, room = _native.U64(), bytearray()
        while True:
            at = _native.tensor_of(room)
            status = lib.akv_image_read_file(_path(path), at.address if room else None, len(room), ref(size))
            if status != Status.BUFFER_TOO_SMALL:
                check(status)
                return Image(room, size.value)
            del at
            room = bytearray(size.value)


def _path(path: Path) -> bytes:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path with a null byte")
    return name
