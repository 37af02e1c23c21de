"""_stream.py: an order of work: what is queued first is done first, by threads of the library or inside the call.

A stream keeps every buffer that queued work reads or writes until it has passed that work, so a buffer that its owner
forgets is not freed under a copy. It knows no store.
"""
from __future__ import annotations

import collections
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Callable, Deque, List, Optional

from . import _native
from ._errors import ArenakvError, Status
from ._managed import Keeper, Managed
from ._native import byte_structs as b

if TYPE_CHECKING:
    from ._plan import Ticket

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned

POINT_ALL = (1 << 64) - 1
_PATIENCE = 10_000_000_000  # nanoseconds that a forgotten stream's work is waited for


class _Hold:
    """What a piece of work reads or writes. Without a point it is held until the stream is closed."""

    __slots__ = ("keep", "point")

    def __init__(self, keep: object) -> None:
        self.keep, self.point = keep, POINT_ALL


_given_up: List[object] = []  # of forgotten streams whose work did not end: better a leak than a freed buffer


def _forgotten(keeper: Keeper, handle: int, held: Deque[_Hold]) -> None:
    """The net behind close(): the work is waited for, because it writes into somebody's memory."""
    warnings.warn(f"unclosed arenakv.Stream {handle:#x}", ResourceWarning, stacklevel=2)
    try:
        lib.akv_stream_wait(handle, POINT_ALL, _PATIENCE)
        keeper.close()
    except ArenakvError:
        _given_up.append((keeper, held))


class Stream(Managed):
    """`num_workers` threads that do what is queued; without any, the work is done inside the call that queues it.

    close() is a StateError (BUSY) while work is queued or tickets wait for poll(): wait() first.
    """

    def __init__(self, num_workers: int = 0, *, queue_items: int = 0, queue_bytes: int = 0) -> None:
        config = b.StreamConfig(num_workers=unsigned("num_workers", num_workers),
                                queue_items=unsigned("queue_items", queue_items),
                                queue_bytes=unsigned("queue_bytes", queue_bytes, 64))
        stream = _native.U64()
        check(lib.akv_stream_create(config, ref(stream)))
        self._workers = num_workers
        self._held: Deque[_Hold] = collections.deque()
        self._lock = threading.Lock()
        self._own(stream.value, lambda handle: check(lib.akv_stream_destroy(handle)))
        self._net.detach()
        keeper, held, handle = self._keeper, self._held, stream.value
        self._net = weakref.finalize(self, lambda: _forgotten(keeper, handle, held))

    def close(self) -> None:
        super().close()
        self._held.clear()

    def queue(self, keep: object, call: Callable[[int], int]) -> None:
        """Make a call that queues work, and keep what the work needs."""
        handle = self.handle
        if not self._workers:
            check(call(handle))
            return
        hold = _Hold(keep)
        self._held.append(hold)
        status = call(handle)
        if status != Status.OK:
            error = _native.error(status)
            hold.keep, hold.point = None, 0  # nothing was queued
            raise error
        point = _native.U64()
        check(lib.akv_stream_record(handle, ref(point)))
        hold.point = point.value
        self._let_go()

    def _let_go(self) -> None:
        """Forget what the stream has passed."""
        passed = _native.U32()
        with self._lock:
            while self._held:
                point = self._held[0].point
                if point == POINT_ALL or lib.akv_stream_read(self._handle, point, ref(passed)) or not passed.value:
                    return
                self._held.popleft()

    def record(self) -> int:
        """The point behind everything queued so far."""
        point = _native.U64()
        check(lib.akv_stream_record(self.handle, ref(point)))
        return point.value

    def read(self, point: int) -> bool:
        """Has the stream passed a point?"""
        passed = _native.U32()
        check(lib.akv_stream_read(self.handle, unsigned("point", point, 64), ref(passed)))
        return bool(passed.value)

    def follow(self, other: Stream, point: Optional[int] = None) -> None:
        """What is queued here from now on waits until `other` has passed `point` (None: all it has now)."""
        check(lib.akv_stream_follow(self.handle, other.handle,
                                    other.record() if point is None else unsigned("point", point, 64)))

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` when everything queued before has been done: in a worker's thread, or at once without any.
        It must not wait for what lies behind it."""
        _native.call_later(function, lambda hook, number: lib.akv_stream_call(self.handle, hook, number))

    def read_fd(self) -> int:
        """A file descriptor that is readable while the stream has passed something: for select, beside sockets. Read 8
        bytes from it, then poll(). It is closed with the stream."""
        fd = _native.I32()
        check(lib.akv_stream_read_fd(self.handle, ref(fd)))
        return fd.value

    def record_ticket(self, ticket: Ticket) -> None:
        """Retire a ticket when the stream has passed all that is queued now: poll() and wait() do it."""
        check(lib.akv_stream_record_ticket(self.handle, ticket.cache.handle, int(ticket)))

    def poll(self) -> int:
        """Do what waits for points that have been passed: retire tickets, finish plans. Answers how many."""
        done = _native.U32()
        check(lib.akv_stream_poll(self.handle, ref(done)))
        self._let_go()
        return done.value

    def wait(self, timeout: float = 60.0, point: int = POINT_ALL) -> None:
        """Wait until the stream has passed `point`, then do as poll(). A HostError (TIMEOUT) after so many seconds:
        nothing was given up."""
        nanoseconds = min(max(int(timeout * 1e9), 0), POINT_ALL)
        check(lib.akv_stream_wait(self.handle, unsigned("point", point, 64), nanoseconds))
        self._let_go()


def on(stream: Optional[Stream], keep: object, call: Callable[[Optional[int]], int]) -> None:
    """Make a call on a stream, or without one: then its work is done when this returns."""
    if stream is None:
        check(call(None))
    else:
        stream.queue(keep, call)

