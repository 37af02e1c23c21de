"""_sequence.py: one list of tokens mapped to blocks, from create to free.

It knows its cache's handle through the cache, and not how a call is made (_native.py).
"""
from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Iterable, List, Optional, Type

from . import _native
from ._errors import ArenakvError, HandleError
from ._state import SequenceInfo

if TYPE_CHECKING:
    from ._cache import Cache


class Sequence:
    """A sequence, as Cache.create() makes it. One thread at a time: a second one gets a StateError (BUSY).

    The object is a name for the sequence: losing it ends nothing. free() does, and so does leaving a `with` block.
    """

    def __init__(self, cache: Cache, handle: int) -> None:
        self._cache = cache
        self._handle = handle
        self._freed = False

    @property
    def cache(self) -> Cache:
        return self._cache

    @property
    def handle(self) -> int:
        """The 64-bit handle (akv_sequence) that the dump shows."""
        return self._handle

    def append(self, tokens: Iterable[int]) -> None:
        """Grow by these token ids: one, or a chunk of the prompt."""
        _native.sequence_append(self._cache.handle, self._handle, tokens)

    def commit(self, length: Optional[int] = None) -> None:
        """The K/V of the first `length` tokens exist (None: all). Their whole blocks can now be found by others."""
        if length is None:
            length = self.info().length
        _native.sequence_commit(self._cache.handle, self._handle, length)

    def blocks(self) -> List[int]:
        """The block table: the ids of all its blocks in order of position, reserved ones included."""
        return _native.sequence_read_blocks(self._cache.handle, self._handle)

    def info(self) -> SequenceInfo:
        return SequenceInfo(**_native.sequence_read_info(self._cache.handle, self._handle))

    def free(self) -> None:
        """End it. What is committed stays as cached prefix, the rest goes back. Twice is a HandleError."""
        _native.sequence_free(self._cache.handle, self._handle)
        self._freed = True

    def __enter__(self) -> Sequence:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._freed or self._cache.closed:
            return
        try:
            self.free()
        except HandleError:
            pass  # it has gone with its cache, which another thread closed
        except ArenakvError:
            if kind is None:
                raise  # else the exception that ends the block is the one to tell

    def __repr__(self) -> str:
        return f"<arenakv.Sequence {self._handle:#018x}{' freed' if self._freed else ''}>"


@dataclass(frozen=True)
class Created:
    """What a new sequence got."""

    sequence: Sequence
    length: int  # tokens that have a place now
    cached_tokens: int  # shared in whole blocks: start computing behind these. The last token is always computed
    shared_blocks: int
    new_blocks: int  # taken from the pool, reserve_tokens included
