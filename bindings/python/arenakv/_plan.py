"""_plan.py: what a cache hands out besides sequences: plans, tickets, leases and pins. Each has an end.

They know their cache's handle through the cache, and no K/V byte: a plan is run by cache.copy.run().
"""
from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Callable, List, Optional, Type, Union

from . import _native
from ._enums import TicketState
from ._errors import HandleError, Status
from ._native import structs as s
from ._state import PlanInfo, PlanRecord

if TYPE_CHECKING:
    from ._cache import Cache

lib, check, ref = _native.lib, _native.check, _native.ref


class Held:
    """Something with a number, in a cache, that somebody has to end."""

    def __init__(self, cache: Cache, handle: int) -> None:
        self._cache, self._handle = cache, handle
        self._ended = False

    @property
    def cache(self) -> Cache:
        return self._cache

    @property
    def handle(self) -> int:
        return self._handle

    def __int__(self) -> int:
        return self._handle

    __index__ = __int__

    def _good(self) -> None:
        raise NotImplementedError

    def _bad(self) -> None:
        self._good()

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._ended or self._cache.closed:
            return
        try:
            self._good() if kind is None else self._bad()
        except HandleError:
            pass  # it was ended otherwise: by a stream, with its owner, or with its cache

    def __repr__(self) -> str:
        return f"<arenakv.{type(self).__name__} {self._handle:#x}{' ended' if self._ended else ''}>"


class Plan(Held):
    """What must be copied or zeroed before the next kernel. Run it with cache.copy.run(); until it is finished or
    abandoned, its sequences change by nothing else. A `with` block finishes it, or abandons it after an exception."""

    def info(self) -> PlanInfo:
        info = s.PlanInfo()
        check(lib.akv_plan_read_info(self._cache.handle, self._handle, info))
        return PlanInfo(**_native.values(info))

    def records(self) -> List[PlanRecord]:
        """All records, in the order in which they must run. Numbers only: they may be sent to another process."""
        found: List[PlanRecord] = []
        room, count = _native.array(s.PlanRecord, 64), _native.U32()
        while True:
            status = lib.akv_plan_read_records(self._cache.handle, self._handle, len(found), room, len(room),
                                               ref(count))
            if status != Status.BUFFER_TOO_SMALL:
                check(status)
            found += [PlanRecord(**_native.values(record)) for record in room[:count.value - len(found)]]
            if len(found) >= count.value:
                return found

    def finish(self, ticket: Union[Ticket, int] = 0) -> None:
        """Its records have run (ticket 0), or are queued and will have when `ticket` ends well."""
        check(lib.akv_plan_finish(self._cache.handle, self._handle, int(ticket)))
        self._ended = True

    def abandon(self) -> None:
        """It will not run: its sequences are as before the call that made it; one that it created is freed."""
        check(lib.akv_plan_abandon(self._cache.handle, self._handle))
        self._ended = True

    def _hand_over(self) -> None:
        """A stream ends it (AKV_RUN_FINISH)."""
        self._ended = True

    _good, _bad = finish, abandon

    def __enter__(self) -> Plan:
        return self


class Ticket(Held):
    """Work on a device that names blocks: what is freed meanwhile is handed out when it has ended. A `with` block
    retires it, or abandons it after an exception."""

    def retire(self) -> None:
        """The work has finished, and well."""
        check(lib.akv_ticket_retire(self._cache.handle, self._handle))
        self._ended = True

    def abandon(self) -> int:
        """The work has failed, and touches no memory any more. Answers how many sequences lost content."""
        sequences = _native.U32()
        check(lib.akv_ticket_abandon(self._cache.handle, self._handle, ref(sequences)))
        self._ended = True
        return sequences.value

    def read(self) -> TicketState:
        """Where it stands."""
        state = _native.U32()
        check(lib.akv_ticket_read(self._cache.handle, self._handle, ref(state)))
        return TicketState(state.value)

    def _good(self) -> None:
        self.retire()

    def _bad(self) -> None:
        self.abandon()

    def __enter__(self) -> Ticket:
        return self


class Lease(Held):
    """A hold on a sequence's blocks for a long transfer, whatever happens to the sequence. `wait`: a ticket that must
    pass before they are read, or 0. A `with` block releases it."""

    def __init__(self, cache: Cache, handle: int, wait: int = 0) -> None:
        super().__init__(cache, handle)
        self.wait = wait

    def blocks(self) -> List[int]:
        """The leased blocks, in order of position: use these, not the sequence's table."""
        return read_blocks(lambda *out: lib.akv_lease_read_blocks(self._cache.handle, self._handle, *out))

    def release(self) -> None:
        check(lib.akv_lease_release(self._cache.handle, self._handle))
        self._ended = True

    _good = release

    def __enter__(self) -> Lease:
        return self


class Pin(Held):
    """Cached blocks that don't leave by eviction; `tokens` of them. A `with` block unpins them."""

    def __init__(self, cache: Cache, handle: int, tokens: int = 0) -> None:
        super().__init__(cache, handle)
        self.tokens = tokens

    def unpin(self) -> None:
        check(lib.akv_prefix_unpin(self._cache.handle, self._handle))
        self._ended = True

    _good = unpin

    def __enter__(self) -> Pin:
        return self


def read_blocks(call: Callable[..., int]) -> List[int]:
    """Block ids of a function that fills an array and tells how many there are."""
    capacity, count = 64, _native.U32()
    while True:
        blocks = _native.array(_native.I32, capacity)
        status = call(blocks, capacity, ref(count))
        if status != Status.BUFFER_TOO_SMALL:
            check(status)
            found: List[int] = blocks[:count.value]
            return found
        capacity = count.value
