"""arenakv: the memory of LLM inference as a library: paged KV-cache metadata with exact prefix sharing.

    with arenakv.Cache(num_blocks=1024) as cache:
        created = cache.create([1, 2, 3])

What is not in __all__ is not API.
"""
from __future__ import annotations

import enum

from . import _native
from ._cache import BlockAllocator, Cache
from ._errors import (
    EXCEPTIONS,
    ArenakvError,
    ArgumentError,
    ContentError,
    DamagedError,
    HandleError,
    HostError,
    NoRoomError,
    StateError,
    Status,
)
from ._sequence import Created, Sequence
from ._state import CacheState, SequenceInfo

__all__ = [
    "EXCEPTIONS",
    "ArenakvError",
    "ArgumentError",
    "BlockAllocator",
    "Cache",
    "CacheState",
    "ContentError",
    "Created",
    "DamagedError",
    "Feature",
    "HandleError",
    "HostError",
    "NoRoomError",
    "Sequence",
    "SequenceInfo",
    "StateError",
    "Status",
    "has",
    "last_error",
    "status_name",
    "version",
]


class Feature(enum.IntEnum):
    """What a build of the library may have."""

    PREFIX_INDEX = 1  # exact prefix sharing
    PARTIAL_HITS = 2  # hits that end inside a block
    BUDDY = 3  # BlockAllocator.BUDDY
    STORES = 4  # block memory on the host
    CUDA = 5  # block memory and kernels on CUDA devices


def version() -> str:
    """The version of the library, which is the package's too."""
    return _native.version()


def has(feature: int) -> bool:
    """Whether the library was built with this feature; False for numbers that it does not know."""
    return _native.has(feature)


def status_name(status: int) -> str:
    """The name of a status as C has it, "AKV_ERROR_NO_BLOCKS"; unknown values have a text too."""
    return _native.status_name(status)


def last_error() -> str:
    """The message of the last call on this thread that failed; empty if none has."""
    return _native.last_error()
