"""_cache.py: a cache as an object with an end.

It knows handles and what a cache is made with; nothing of K/V bytes: those move by what is under `copy` (_copy.py).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Mapping, NamedTuple, Optional, Union

from . import _native
from ._batch import Batch, Sequences, Tables, handles_of
from ._copy import CacheCopy
from ._enums import BlockAllocator, Columns, Heads, Layout, Miss, Scrub, SequenceFlag
from ._errors import Status
from ._geometry import Geometry, Shape, read_group
from ._managed import Managed
from ._memory import Tracker
from ._native import structs as s
from ._plan import Pin, Plan, Ticket
from ._sequence import Created, Sequence, created_of, options_of, plan_of, room_of
from ._state import CacheState, Explanation, HoldLine, Match, Measures, Room, SequenceLine, Sizes
from ._store import Region, Store

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned

_PREFAULT = 1
_KEEP_PINNED = 1
_IN_FLIGHT = 1


class Freed(NamedTuple):
    """What free_batch() did: how many it freed, how many were stale, and each one's fate."""

    freed: int
    stale: int
    statuses: List[Status]


@dataclass(frozen=True)
class CacheConfig:
    """The configuration in use, with every default filled in: akv_cache_config."""

    flags: int
    num_blocks: int
    block_tokens: int
    max_sequences: int
    max_tokens_per_sequence: int
    max_open_tickets: int
    max_plans: int
    max_holds: int
    max_pinned_blocks: int
    magazine_blocks: int
    block_allocator: int
    scrub: int
    num_swap_blocks: int


def _config(geometry: Optional[Shape], numbers: Mapping[str, int], prefault: bool) -> Any:
    config = s.CacheConfig(flags=_PREFAULT if prefault else 0,
                           **{name: unsigned(name, value) for name, value in numbers.items()})
    if geometry is not None:
        config.num_groups, config.group_size = 1, _native.size(s.LayerGroup)
        config.groups = _native.address(geometry.group)
    return config


def blocks_for(num_tokens: int, block_tokens: int) -> int:
    """Blocks that so many tokens take."""
    blocks: int = lib.akv_blocks_for(unsigned("num_tokens", num_tokens, 64), unsigned("block_tokens", block_tokens))
    return blocks


def sizes_of(*, geometry: Optional[Geometry] = None, **config: int) -> Sizes:
    """What a cache of this configuration would need, without making one. Keywords as for Cache()."""
    shape, sizes = Shape.of(geometry), s.Sizes()
    check(lib.akv_cache_config_sizes(_config(shape, config, False), sizes))
    return Sizes(**_native.values(sizes))


class Cache(Managed):
    """The metadata of one KV cache: blocks of `block_tokens` tokens, who holds them, in what order they leave.

    Arguments are the fields of akv_cache_config, and 0 is its default. Any thread may call it at any time. A child of
    fork() gets a HostError (FORKED) for each call but close(). Everything that moves bytes is under `copy`.
    """

    def __init__(self, *, num_blocks: int = 0, block_tokens: int = 0, max_sequences: int = 0,
                 max_tokens_per_sequence: int = 0, max_open_tickets: int = 0, max_plans: int = 0, max_holds: int = 0,
                 max_pinned_blocks: int = 0, magazine_blocks: int = 0, num_swap_blocks: int = 0,
                 block_allocator: BlockAllocator = BlockAllocator.STACK, scrub: Scrub = Scrub.DOMAIN,
                 geometry: Optional[Geometry] = None, prefault: bool = False) -> None:
        shape = Shape.of(geometry)
        config = _config(shape, dict(
            num_blocks=num_blocks, block_tokens=block_tokens, max_sequences=max_sequences,
            max_tokens_per_sequence=max_tokens_per_sequence, max_open_tickets=max_open_tickets, max_plans=max_plans,
            max_holds=max_holds, max_pinned_blocks=max_pinned_blocks, magazine_blocks=magazine_blocks,
            num_swap_blocks=num_swap_blocks, block_allocator=block_allocator, scrub=scrub), prefault)
        cache = _native.U64()
        check(lib.akv_cache_create(config, ref(cache)))
        self._own(cache.value, lambda handle: check(lib.akv_cache_destroy(handle)))

    @property
    def copy(self) -> CacheCopy:
        """The calls that move bytes."""
        return CacheCopy(self)

    # -- what it is --

    def config(self) -> CacheConfig:
        config = s.CacheConfig()
        check(lib.akv_cache_read_config(self.handle, config))
        return CacheConfig(**{name: getattr(config, name) for name in CacheConfig.__dataclass_fields__})

    def geometry(self) -> Geometry:
        handle = self.handle
        return read_group(lambda *out: lib.akv_cache_read_group(handle, 0, *out))

    def store(self, *, columns: Columns = Columns.BLOCKS, layout: Layout = Layout.LAYER_OUTER,
              heads: Heads = Heads.INNER, layers: Iterable[int] = (), first_head: int = 0, num_heads: int = 0,
              regions: Iterable[Union[Region, Any]] = (), small_pages: bool = False,
              tracker: Optional[Tracker] = None) -> Store:
        """Memory for its blocks: the library's, or `regions` of the caller's, one for each layer and plane."""
        return Store(self, columns=columns, layout=layout, heads=heads, layers=layers, first_head=first_head,
                     num_heads=num_heads, regions=regions, small_pages=small_pages, tracker=tracker)

    # -- sequences --

    def create(self, tokens: Iterable[int] = (), *, domain: int = 0, request_id: int = 0, owner: int = 0,
               reserve_tokens: int = 0, max_tokens: int = 0, flags: SequenceFlag = SequenceFlag(0)) -> Created:
        """A sequence for a prompt: what is cached of it is shared, the rest gets blocks.

        `reserve_tokens` takes blocks for that many tokens from the start; it can never grow beyond `max_tokens`
        (0: max_tokens_per_sequence). `domain` is the trust domain: equal tokens in two of them share nothing.
        `request_id` and `owner` are the caller's, for find() and drop_owner(). Without room it is a NoRoomError, and
        nothing has changed.
        """
        ids = _native.numbers("i", tokens)
        created = s.Created()
        check(lib.akv_sequence_create(self.handle, _prompt(ids, domain),
                                      options_of(flags, request_id, owner, reserve_tokens, max_tokens), created))
        return created_of(self, created)

    def can_allocate(self, tokens: Iterable[int] = (), *, domain: int = 0, reserve_tokens: int = 0, max_tokens: int = 0,
                     request_id: int = 0, flags: SequenceFlag = SequenceFlag(0)) -> Room:
        """Would create() with these arguments succeed?"""
        ids, room = _native.numbers("i", tokens), s.Room()
        check(lib.akv_cache_can_allocate(self.handle, _prompt(ids, domain),
                                         options_of(flags, request_id, 0, reserve_tokens, max_tokens), room))
        return room_of(room)

    def find(self, request_id: int) -> Sequence:
        """The live sequence with this request id; else a StateError (NOT_FOUND)."""
        sequence = _native.U64()
        check(lib.akv_sequence_find(self.handle, unsigned("request_id", request_id, 64), ref(sequence)))
        return Sequence(self, sequence.value)

    def batch(self, sequences: Sequences, num_tokens: Optional[Iterable[int]] = None, *,
              tokens: Optional[Iterable[int]] = None, first: Optional[Iterable[int]] = None,
              lengths: Optional[Iterable[int]] = None, tables: Optional[Tables] = None,
              committed: bool = False) -> Batch:
        """The arguments of a step, looked up once: see Batch. The calls below make one for themselves each time."""
        return Batch(self, sequences, num_tokens, tokens=tokens, first=first, lengths=lengths, tables=tables,
                     committed=committed)

    def append_batch(self, sequences: Sequences, num_tokens: Optional[Iterable[int]] = None, *,
                     tokens: Optional[Iterable[int]] = None, tables: Optional[Tables] = None,
                     committed: bool = False) -> Optional[Plan]:
        return self.batch(sequences, num_tokens, tokens=tokens, tables=tables, committed=committed).append()

    def read_tables(self, sequences: Sequences, num_tokens: Optional[Iterable[int]] = None, *, tables: Tables,
                    first: Optional[Iterable[int]] = None) -> None:
        self.batch(sequences, num_tokens, first=first, tables=tables).read_tables()

    def commit_batch(self, sequences: Sequences, lengths: Optional[Iterable[int]] = None,
                     ticket: Union[Ticket, int] = 0) -> None:
        self.batch(sequences, lengths=lengths).commit(ticket)

    def set_tokens_batch(self, sequences: Sequences, first: Iterable[int], tokens: Iterable[int],
                         num_tokens: Optional[Iterable[int]] = None) -> None:
        self.batch(sequences, num_tokens, first=first, tokens=tokens).set_tokens()

    def truncate_batch(self, sequences: Sequences, lengths: Iterable[int], *, keep_blocks: bool = False) -> None:
        self.batch(sequences, lengths=lengths).truncate(keep_blocks=keep_blocks)

    def free_batch(self, sequences: Sequences) -> Freed:
        """End many: the live ones are freed and the stale ones counted; BUSY ones live on."""
        given, freed, stale = handles_of(sequences), _native.U32(), _native.U32()
        statuses = _native.array(_native.I32, given.count)
        check(lib.akv_sequence_free_batch(self.handle, given.address, given.count, ref(freed), ref(stale), statuses))
        return Freed(freed.value, stale.value, [Status(status) for status in statuses])

    def drop_owner(self, owner: int, *, in_flight: bool = False) -> int:
        """Release what an owner has: sequences and pins; with `in_flight` leases and open plans too, for which you
        vouch that nothing reads or writes any more. Answers how many."""
        released = _native.U32()
        check(lib.akv_cache_drop_owner(self.handle, unsigned("owner", owner, 64), _IN_FLIGHT if in_flight else 0,
                                       ref(released)))
        return released.value

    # -- prefixes --

    def match(self, tokens: Iterable[int], *, domain: int = 0) -> Match:
        """How much of this prompt is cached? Nothing is acquired."""
        ids, match = _native.numbers("i", tokens), s.Match()
        check(lib.akv_prefix_match(self.handle, _prompt(ids, domain), match))
        return Match(**_native.values(match))

    def explain(self, tokens: Iterable[int], *, domain: int = 0) -> Explanation:
        """Why this prompt hits no further: for the operator, since it tells of other domains."""
        ids, got = _native.numbers("i", tokens), s.Explanation()
        check(lib.akv_prefix_explain(self.handle, _prompt(ids, domain), got))
        return Explanation(**{**_native.values(got), "reason": Miss(got.reason)})

    def pin(self, tokens: Iterable[int], *, domain: int = 0, owner: int = 0) -> Pin:
        """Keep the cached blocks of a prompt until the pin is released."""
        ids, pin, count = _native.numbers("i", tokens), _native.U64(), _native.U32()
        check(lib.akv_prefix_pin(self.handle, _prompt(ids, domain), unsigned("owner", owner, 64), ref(pin), ref(count)))
        return Pin(self, pin.value, count.value)

    def clear(self, *, domain: Optional[int] = None, keep_pinned: bool = False) -> int:
        """Make all that is in the index unfindable (None: in every domain); answers how many blocks left it."""
        number = None if domain is None else _native.U64(unsigned("domain", domain, 64))
        blocks = _native.U32()
        check(lib.akv_prefix_clear(self.handle, None if number is None else ref(number),
                                   _KEEP_PINNED if keep_pinned else 0, ref(blocks)))
        return blocks.value

    # -- tickets, plans and swap blocks --

    def ticket_open(self) -> Ticket:
        """Blocks that are freed from now on wait for this ticket."""
        ticket = _native.U64()
        check(lib.akv_ticket_open(self.handle, ref(ticket)))
        return Ticket(self, ticket.value)

    def ticket(self, number: int) -> Ticket:
        """A `wait` of some answer as a ticket."""
        return Ticket(self, number)

    def plan(self, handle: int) -> Optional[Plan]:
        """An open plan by its handle (SequenceInfo.plan); None for 0."""
        return plan_of(self, handle)

    def swap_acquire(self, count: int) -> List[int]:
        """Swap blocks for bytes of your own, all or none."""
        blocks = _native.array(_native.I32, unsigned("count", count))
        check(lib.akv_swap_acquire(self.handle, count, blocks))
        found: List[int] = blocks[:]
        return found

    def swap_release(self, blocks: Iterable[int]) -> None:
        given = _native.numbers("i", blocks)
        check(lib.akv_swap_release(self.handle, given.address, given.count))

    # -- reports --

    def state(self) -> CacheState:
        """Every gauge and counter, as of now."""
        state = s.CacheState()
        check(lib.akv_cache_read_state(self.handle, state))
        return CacheState(**_native.values(state))

    def measure(self) -> Measures:
        """Fragmentation and waste. No other thread may be inside a sequence."""
        measures = s.Measures()
        check(lib.akv_cache_measure(self.handle, measures))
        return Measures(**_native.values(measures))

    def sequences(self) -> List[SequenceLine]:
        """A line for each live sequence."""
        return [SequenceLine(**line) for line in _lines(s.SequenceLine, self._lines_of(lib.akv_cache_read_sequences))]

    def holds(self) -> List[HoldLine]:
        """A line for each pin, lease and open plan: for finding who forgot one."""
        return [HoldLine(**line) for line in _lines(s.HoldLine, self._lines_of(lib.akv_cache_read_holds))]

    def _lines_of(self, function: Any) -> Callable[..., int]:
        return lambda *out: function(self.handle, *out)

    def read_block_map(self) -> bytes:
        """A byte for each block from 0 on: BlockState. No other thread may be inside a sequence."""
        count = self.config().num_blocks + 1
        buffer = bytearray(count)
        given = _native.output("B", "buffer", buffer)
        check(lib.akv_cache_read_block_map(self.handle, given.address, count))
        return bytes(buffer)

    def audit(self) -> None:
        """Check that the counts balance; else a DamagedError, which is a bug of the library."""
        check(lib.akv_cache_audit(self.handle))

    def audit_all(self) -> None:
        """Count every block again where it is. No other thread may be inside a sequence."""
        check(lib.akv_cache_audit_all(self.handle))

    def dump(self) -> str:
        """Configuration, state and one line per sequence, for people. No other thread may be inside a sequence."""
        return _native.text(lambda *out: lib.akv_report_dump(self.handle, *out))

    def block_map(self, columns: int = 64) -> str:
        """One character per block, with a legend. No other thread may be inside a sequence."""
        columns = unsigned("columns", columns)
        return _native.text(lambda *out: lib.akv_report_block_map(self.handle, columns, *out))


def _prompt(ids: _native.Numbers, domain: int) -> Any:
    return s.Prompt(num_tokens=ids.count, tokens=ids.address, domain=unsigned("domain", domain, 64))


def _lines(struct: Any, call: Callable[..., int]) -> List[Any]:
    """The lines of a function that fills an array and tells how many there are."""
    capacity, count = 64, _native.U32()
    while True:
        lines = _native.array(struct, capacity)
        status = call(lines, _native.size(struct), capacity, ref(count))
        if status != Status.BUFFER_TOO_SMALL:
            check(status)
            return [_native.values(line) for line in lines[:count.value]]
        capacity = count.value + 16
