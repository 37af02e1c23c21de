"""_errors.py: what a call answers, and the exception that it becomes.

It knows statuses, not the library: texts and numbers are handed in.
"""
from __future__ import annotations

import enum
from typing import Mapping, Optional, Type


class Status(enum.IntEnum):
    """What a call of the library answers; include/arenakv/status.h says what each one means."""

    OK = 0
    # the call itself
    INVALID_ARGUMENT = -10
    OUT_OF_RANGE = -11
    BUFFER_TOO_SMALL = -12
    UNSUPPORTED = -13
    # handles
    BAD_HANDLE = -20
    WRONG_TYPE = -21
    # the state of what was named
    BUSY = -30
    PLAN_OPEN = -31
    PLAN_NEEDED = -32
    NOT_COMMITTED = -33
    CONTENT_LOST = -34
    ALREADY_EXISTS = -35
    NOT_FOUND = -36
    SWAPPED = -37
    NOT_READY = -38
    NOT_CONTIGUOUS = -39
    # room in the cache
    NO_BLOCKS = -40
    NO_SEQUENCES = -41
    NO_CAPACITY = -42
    NO_TICKETS = -43
    NO_HOLDS = -44
    NO_PLANS = -45
    PIN_BUDGET = -46
    NO_CACHES = -47
    NO_SWAP_BLOCKS = -48
    # the host
    OUT_OF_MEMORY = -50
    CALLBACK = -51
    FORKED = -52
    TIMEOUT = -53
    IO = -54
    # the library
    DAMAGED = -60
    # bytes that came from outside, or back
    BAD_IMAGE = -70
    OTHER_GEOMETRY = -71
    VERIFY_FAILED = -72
    # room in page pools, streams, and for these themselves
    NO_PAGES = -80
    NO_ARENAS = -81
    NO_TENSORS = -82
    QUEUE_FULL = -83
    NO_OBJECTS = -84


class ArenakvError(Exception):
    """A call failed, and nothing has changed. `status` tells why; `needed` and `available` are its numbers, in blocks
    for NO_BLOCKS and in tokens for NO_CAPACITY, 0 where there are none; `row` is the element of a batch it is about."""

    def __init__(self, status: int, message: str, needed: int = 0, available: int = 0,
                 row: Optional[int] = None) -> None:
        super().__init__(status, message, needed, available, row)  # all of them, so that it can be pickled
        self.status = status
        self.message = message
        self.needed = needed
        self.available = available
        self.row = row

    def __str__(self) -> str:
        name = self.status.name if isinstance(self.status, Status) else f"status {self.status}"
        return f"{name}: {self.message}"


class ArgumentError(ArenakvError, ValueError):
    """The call itself is wrong: a value outside its set, a position that is not there."""


class HandleError(ArenakvError):
    """The cache was closed, or the sequence freed."""


class StateError(ArenakvError, RuntimeError):
    """What was named can't do this now: another thread is inside it (BUSY), its content was given up."""


class NoRoomError(ArenakvError):
    """The cache, a page pool or a stream is full: wait, free, or preempt. Never the memory of the host."""


class HostError(ArenakvError):
    """The host: no memory, or a cache of the parent process after fork() (FORKED)."""


class ContentError(ArenakvError):
    """Bytes that are not what they should be: a damaged file, another geometry, a copy that differs from its source."""


class DamagedError(ArenakvError):
    """The books of the library do not balance: a bug, please report it."""


# By group: statuses are numbered in tens.
_OF_GROUP: Mapping[int, Type[ArenakvError]] = {
    1: ArgumentError,
    2: HandleError,
    3: StateError,
    4: NoRoomError,
    5: HostError,
    6: DamagedError,
    7: ContentError,
    8: NoRoomError,
}
EXCEPTIONS: Mapping[Status, Type[ArenakvError]] = {
    status: _OF_GROUP[-status // 10] for status in Status if status is not Status.OK
}


def make_error(status: int, message: str, needed: int = 0, available: int = 0,
               row: Optional[int] = None) -> ArenakvError:
    """The exception for a status; a status that this package does not know is an ArenakvError."""
    try:
        known = Status(status)
    except ValueError:
        return ArenakvError(status, message, needed, available, row)
    return EXCEPTIONS.get(known, ArenakvError)(known, message, needed, available, row)
