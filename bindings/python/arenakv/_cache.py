"""_cache.py: a cache as an object with an end.

It knows handles and what a cache is made with; not how a call is made (_native.py), and nothing of K/V bytes.
"""
from __future__ import annotations

import enum
import warnings
import weakref
from types import TracebackType
from typing import Iterable, Optional, Type

from . import _native
from ._errors import ArenakvError, HandleError, Status, make_error
from ._sequence import Created, Sequence
from ._state import CacheState

_PREFAULT = 1


class BlockAllocator(enum.IntEnum):
    """In what order blocks are handed out."""

    STACK = 0  # last freed, first used
    BUDDY = 1  # neighbours stay together


def _close_forgotten(handle: int) -> None:
    """The net behind close()."""
    warnings.warn(f"unclosed arenakv.Cache {handle:#x}", ResourceWarning, stacklevel=2)
    try:
        _native.cache_destroy(handle)
    except ArenakvError:
        pass  # a daemon thread is inside at exit: the process takes it along


class Cache:
    """The metadata of one KV cache: blocks of `block_tokens` tokens, who holds them, in what order they leave.

    Arguments are the fields of akv_cache_config, and 0 is its default. Everything is in one trust domain. Any thread
    may call it at any time. A child of fork() gets a HostError (FORKED) for each call but close().
    """

    def __init__(self, *, num_blocks: int = 0, block_tokens: int = 0, max_sequences: int = 0,
                 max_tokens_per_sequence: int = 0, magazine_blocks: int = 0,
                 block_allocator: BlockAllocator = BlockAllocator.STACK, prefault: bool = False) -> None:
        self._handle = 0  # so that a failed create leaves an object that is closed
        self._handle = _native.cache_create(
            num_blocks=num_blocks, block_tokens=block_tokens, max_sequences=max_sequences,
            max_tokens_per_sequence=max_tokens_per_sequence, magazine_blocks=magazine_blocks,
            block_allocator=block_allocator, flags=_PREFAULT if prefault else 0)
        self._net = weakref.finalize(self, _close_forgotten, self._handle)

    @property
    def handle(self) -> int:
        """The handle (akv_cache) as a number. Raises HandleError when the cache is closed."""
        handle = self._handle
        if handle == 0:
            raise make_error(Status.BAD_HANDLE, "the cache is closed")
        return handle

    @property
    def closed(self) -> bool:
        return self._handle == 0

    def close(self) -> None:
        """End the cache with everything in it; afterwards every call is a HandleError. Twice is fine.

        While another thread is inside one of its sequences it is a StateError (BUSY), and the cache lives on.
        """
        handle = self._handle
        if handle == 0:
            return
        try:
            _native.cache_destroy(handle)
        except HandleError:
            pass  # another thread was quicker
        self._handle = 0
        self._net.detach()

    def create(self, tokens: Iterable[int] = (), *, reserve_tokens: int = 0, max_tokens: int = 0) -> Created:
        """A sequence for a prompt: what is cached of it is shared, the rest gets blocks.

        `reserve_tokens` takes blocks for that many tokens from the start; it can never grow beyond `max_tokens`
        (0: max_tokens_per_sequence). Without room it is a NoRoomError, and nothing has changed.
        """
        got = _native.sequence_create(self.handle, tokens, reserve_tokens=reserve_tokens, max_tokens=max_tokens)
        return Created(sequence=Sequence(self, got["sequence"]), length=got["length"],
                       cached_tokens=got["cached_tokens"], shared_blocks=got["shared_blocks"],
                       new_blocks=got["new_blocks"])

    def state(self) -> CacheState:
        """Every gauge and counter, as of now."""
        return CacheState(**_native.cache_read_state(self.handle))

    def dump(self) -> str:
        """Configuration, state and one line per sequence, for people. No other thread may be inside a sequence."""
        return _native.report_dump(self.handle)

    def block_map(self, columns: int = 64) -> str:
        """One character per block, with a legend. No other thread may be inside a sequence."""
        return _native.report_block_map(self.handle, columns)

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            self.close()
        except ArenakvError:
            if kind is None:
                raise  # else the exception that ends the block is the one to tell

    def __repr__(self) -> str:
        return "<arenakv.Cache closed>" if self.closed else f"<arenakv.Cache {self._handle:#018x}>"
