"""_sequence.py: one list of tokens mapped to blocks, from create to free.

It knows its cache's handle through the cache, and no K/V byte.
"""
from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Type, Union

from . import _native
from ._enums import UNSET, SequenceFlag
from ._errors import ArenakvError, HandleError, Status
from ._native import structs as s
from ._plan import Lease, Plan, Ticket, read_blocks
from ._state import Room, SequenceInfo

if TYPE_CHECKING:
    from ._cache import Cache

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned


class Sequence:
    """A sequence, as Cache.create() makes it. One thread at a time: a second one gets a StateError (BUSY).

    The object is a name for the sequence: losing it ends nothing. free() does, and so does leaving a `with` block.
    A call that answers a plan wants it run before the next kernel; None: nothing to do.
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

    def append(self, tokens: Optional[Iterable[int]] = None, *, unknown: int = 0,
               committed: bool = False) -> Optional[Plan]:
        """Grow by these token ids: one, or a chunk of the prompt; or by `unknown` tokens whose ids come later
        (set_tokens). A shared last block is replaced by one of its own: the plan says what to copy. `committed` is for
        simulators: their K/V count as written."""
        ids, plan = _native.numbers("i", () if tokens is None else tokens), _native.U64()
        count = unsigned("unknown", unknown) if tokens is None else ids.count
        check(lib.akv_sequence_append(self._cache.handle, self._handle, ids.address, count, int(committed), ref(plan)))
        return plan_of(self._cache, plan.value)

    def reserve(self, num_tokens: int) -> Optional[Plan]:
        """Look-ahead: blocks of its own up to `num_tokens` tokens, without changing the length."""
        plan = _native.U64()
        check(lib.akv_sequence_reserve(self._cache.handle, self._handle, unsigned("num_tokens", num_tokens), ref(plan)))
        return plan_of(self._cache, plan.value)

    def set_tokens(self, first: int, tokens: Iterable[int]) -> None:
        """Token ids that were unknown when they were appended, from position `first` on."""
        ids = _native.numbers("i", tokens)
        check(lib.akv_sequence_set_tokens(self._cache.handle, self._handle, unsigned("first", first), ids.address,
                                          ids.count))

    def commit(self, length: Optional[int] = None, ticket: Union[Ticket, int] = 0) -> None:
        """The K/V of the first `length` tokens exist (None: all), or will when `ticket` ends well. Their whole blocks
        can now be found by others."""
        if length is None:
            length = self.info().length
        check(lib.akv_sequence_commit(self._cache.handle, self._handle, unsigned("length", length), int(ticket)))

    def fork(self, length: Optional[int] = None, *, request_id: int = 0, owner: int = 0, max_tokens: int = 0,
             flags: SequenceFlag = SequenceFlag(0)) -> Sequence:
        """A second sequence with the first `length` tokens (None: all): every block is shared, none is copied."""
        options, child = options_of(flags, request_id, owner, 0, max_tokens), _native.U64()
        check(lib.akv_sequence_fork(self._cache.handle, self._handle,
                                    UNSET if length is None else unsigned("length", length), options, ref(child)))
        return Sequence(self._cache, child.value)

    def truncate(self, length: int, *, keep_blocks: bool = False) -> None:
        """Drop all tokens from position `length` on, and the blocks behind. After CONTENT_LOST the way back."""
        check(lib.akv_sequence_truncate(self._cache.handle, self._handle, unsigned("length", length), int(keep_blocks)))

    def set_length(self, length: int) -> None:
        """Move the length inside the blocks that it has."""
        check(lib.akv_sequence_set_length(self._cache.handle, self._handle, unsigned("length", length)))

    def can_extend(self, num_tokens: int) -> Room:
        """Would appending `num_tokens` tokens succeed?"""
        room = s.Room()
        check(lib.akv_sequence_can_extend(self._cache.handle, self._handle, unsigned("num_tokens", num_tokens), room))
        return room_of(room)

    def swap_out(self) -> Plan:
        """The plan that moves its K/V to the swap blocks: cache.copy.run(plan, stores, finish=True)."""
        plan = _native.U64()
        check(lib.akv_sequence_swap_out(self._cache.handle, self._handle, ref(plan)))
        return Plan(self._cache, plan.value)

    def swap_in(self) -> SwappedIn:
        """The plan that brings them back; what is still cached is shared."""
        got = s.SwappedIn()
        check(lib.akv_sequence_swap_in(self._cache.handle, self._handle, got))
        return SwappedIn(got.cached_tokens, got.copied_tokens, got.new_blocks, plan_of(self._cache, got.plan), got.wait)

    def lease_acquire(self, num_tokens: int, owner: int = 0) -> Lease:
        """Hold the blocks of its first `num_tokens` tokens for a transfer."""
        lease, wait = _native.U64(), _native.U64()
        check(lib.akv_lease_acquire(self._cache.handle, self._handle, unsigned("num_tokens", num_tokens),
                                    unsigned("owner", owner, 64), ref(lease), ref(wait)))
        return Lease(self._cache, lease.value, wait.value)

    def blocks(self) -> List[int]:
        """The block table: the ids of all its blocks in order of position, reserved ones included."""
        return read_blocks(lambda *out: lib.akv_sequence_read_blocks(self._cache.handle, self._handle, 0, *out))

    def tokens(self, first: int = 0, count: Optional[int] = None) -> List[int]:
        """Token ids from position `first` on (None: to the end), TOKEN_UNKNOWN where they are not known."""
        if count is None:
            count = max(self.info().length - first, 0)
        ids = _native.array(_native.I32, unsigned("count", count))
        check(lib.akv_sequence_read_tokens(self._cache.handle, self._handle, unsigned("first", first), count, ids))
        found: List[int] = ids[:]
        return found

    def info(self) -> SequenceInfo:
        info = s.SequenceInfo()
        check(lib.akv_sequence_read_info(self._cache.handle, self._handle, info))
        return SequenceInfo(**_native.values(info))

    def image_bytes(self, num_tokens: int = 0) -> int:
        """How large an image of its first `num_tokens` tokens is (0: all that are committed)."""
        size = _native.U64()
        check(lib.akv_image_bytes(self._cache.handle, self._handle, unsigned("num_tokens", num_tokens), ref(size)))
        return size.value

    def free(self) -> None:
        """End it. What is committed stays as cached prefix, the rest goes back. Twice is a HandleError."""
        check(lib.akv_sequence_free(self._cache.handle, self._handle))
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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and other._handle == self._handle

    def __hash__(self) -> int:
        return hash(self._handle)

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
    partial_tokens: int = 0  # copied by the plan: start computing behind these, too
    plan: Optional[Plan] = None  # run and finish it before the first kernel that reads
    wait: int = 0  # a ticket: the shared blocks' writer has not finished; 0: nothing


@dataclass(frozen=True)
class SwappedIn:
    """What came back, and how."""

    cached_tokens: int  # still cached: shared, nothing is copied
    copied_tokens: int  # that the plan copies
    new_blocks: int
    plan: Optional[Plan]  # run and finish it; None: it is active already
    wait: int


def plan_of(cache: Cache, plan: int) -> Optional[Plan]:
    return Plan(cache, plan) if plan else None


def created_of(cache: Cache, got: Any) -> Created:
    return Created(sequence=Sequence(cache, got.sequence), length=got.length, cached_tokens=got.cached_tokens,
                   shared_blocks=got.shared_blocks, new_blocks=got.new_blocks, partial_tokens=got.partial_tokens,
                   plan=plan_of(cache, got.plan), wait=got.wait)


def room_of(room: Any) -> Room:
    return Room(**{**_native.values(room), "status": Status(room.status)})


def options_of(flags: SequenceFlag, request_id: int, owner: int, reserve_tokens: int, max_tokens: int) -> Any:
    return s.SequenceOptions(flags=unsigned("flags", flags), request_id=unsigned("request_id", request_id, 64),
                             owner=unsigned("owner", owner, 64), max_tokens=unsigned("max_tokens", max_tokens),
                             reserve_tokens=unsigned("reserve_tokens", reserve_tokens))
