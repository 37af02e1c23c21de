"""_managed.py: objects of the library that have an end: close(), with, and a net for those that were forgotten.

An object is closed at once for all calls. Memory that somebody still looks at (a view of a store, of a page pool) goes
when the last view does, so that a NumPy array never points to nothing. It knows no kind of object.
"""
from __future__ import annotations

import threading
import warnings
import weakref
from types import TracebackType
from typing import Callable, List, Optional, Type, TypeVar

from ._errors import ArenakvError, HandleError, Status, make_error

Self = TypeVar("Self", bound="Managed")

_late: List[Keeper] = []  # nobody has them any more, and they could not be ended yet: tried again at each close()
# Re-entrant: garbage collection, and with it the end of a view, comes anywhere.
_lock = threading.RLock()


class Keeper:
    """Holds an object of the library until it is closed and nobody looks at its memory any more."""

    def __init__(self, what: str, handle: int, destroy: Callable[[int], None]) -> None:
        self._what, self._handle, self._destroy = what, handle, destroy
        self._pins = 0
        self._closing = self._gone = False

    def pin(self) -> Pin:
        with _lock:
            if self._closing or self._gone:
                raise make_error(Status.BAD_HANDLE, f"the {self._what} is closed")
            self._pins += 1
        return Pin(self)

    def unpin(self) -> None:
        with _lock:
            self._pins -= 1
            last = self._closing and self._pins == 0
        if last:
            self._end_or_wait()

    def close(self) -> None:
        with _lock:
            if self._pins:
                self._closing = True
        if not self._closing:
            self._end()
        for keeper in _late[:]:
            keeper._end_or_wait()

    def forget(self) -> None:
        """The net behind close()."""
        warnings.warn(f"unclosed arenakv.{self._what} {self._handle:#x}", ResourceWarning, stacklevel=2)
        try:
            self.close()
        except ArenakvError:
            _late.append(self)  # something that is still there needs it; at exit the process takes it along

    def _end(self) -> None:
        try:
            self._destroy(self._handle)
        except HandleError:
            pass  # another thread was quicker
        self._gone = True
        self._destroy = _nothing  # with what that function has kept alive

    def _end_or_wait(self) -> None:
        with _lock:
            if self in _late:
                _late.remove(self)
        if self._gone:
            return
        try:
            self._end()
        except ArenakvError:
            _late.append(self)


def _nothing(handle: int) -> None:
    """What is left to do at a second end."""


class Pin:
    """One view's hold on memory."""

    __slots__ = ("_keeper",)

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def __del__(self) -> None:
        self._keeper.unpin()


class Managed:
    """An object with an end. Leaving a `with` block closes it; twice is fine; afterwards each call is a HandleError."""

    _handle = 0  # so that a failed create leaves an object that is closed

    def _own(self, handle: int, destroy: Callable[[int], None]) -> None:
        self._handle = handle
        self._keeper = Keeper(type(self).__name__, handle, destroy)
        self._net = weakref.finalize(self, self._keeper.forget)

    @property
    def handle(self) -> int:
        """The handle as a number. Raises HandleError when it is closed."""
        handle = self._handle
        if handle == 0:
            raise make_error(Status.BAD_HANDLE, f"the {_words(type(self).__name__)} is closed")
        return handle

    @property
    def closed(self) -> bool:
        return self._handle == 0

    def close(self) -> None:
        """End it with everything in it. While other threads are inside, or work on it is queued, it is a StateError
        (BUSY), and it lives on."""
        if self._handle == 0:
            return
        self._keeper.close()
        self._handle = 0
        self._net.detach()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            self.close()
        except ArenakvError:
            if kind is None:
                raise  # else the exception that ends the block is the one to tell

    def __repr__(self) -> str:
        name = f"arenakv.{type(self).__name__}"
        return f"<{name} closed>" if self.closed else f"<{name} {self._handle:#018x}>"


def _words(name: str) -> str:
    return "".join(" " + letter.lower() if letter.isupper() else letter for letter in name).strip()
