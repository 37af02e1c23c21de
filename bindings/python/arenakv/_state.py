"""_state.py: what a cache and a sequence tell about themselves, as values of that moment.

Names and meanings are those of the C structs (include/arenakv/state.h, sequence.h); tests/test_layouts.py keeps them
the same. It knows no cache.
"""
from __future__ import annotations

from dataclasses import dataclass

from ._enums import Miss
from ._errors import Status


@dataclass(frozen=True)
class CacheState:
    """The state of a cache: akv_cache_state.

    free + dirty + reserved + live + pinned + cached + quarantined blocks = num_blocks.
    """

    block_tokens: int  # tokens of a block

    num_blocks: int
    free_blocks: int  # in the pool, never used
    dirty_blocks: int  # in the pool, held K/V before
    reserved_blocks: int  # in a sequence's table beyond its length
    live_blocks: int  # hold tokens of a live sequence
    pinned_blocks: int  # held by pins, and by no sequence
    cached_blocks: int  # cached, held by nobody
    quarantined_blocks: int  # given back while device work was on them

    evictable_blocks: int  # of the cached: no ticket is open on them
    duplicate_blocks: int  # of the live: computed twice
    peak_live_blocks: int  # the most that were live or reserved at once

    sequences: int
    max_sequences: int
    lost_sequences: int  # their content was given up: to be truncated or freed
    runs: int  # nodes of the prefix index
    pins: int
    leases: int
    plans: int
    open_tickets: int
    swapped_sequences: int  # of the sequences: their K/V are in swap blocks
    oldest_open: int  # a ticket; 0: none
    newest: int
    bytes_per_block: int  # of K/V, wherever they are kept
    sequence_tokens: int  # lengths of all live sequences: what it would take without sharing
    cached_tokens: int  # in cached and pinned blocks

    created_sequences: int  # these and the next are counted since the cache was made
    freed_sequences: int
    prompt_tokens: int  # of all prompts
    hit_tokens: int  # of these, shared in whole blocks
    partial_tokens: int  # and copied out of a block that begins alike
    published_blocks: int
    evicted_blocks: int
    copy_on_writes: int
    refused_no_blocks: int  # calls answered with NO_BLOCKS
    refills: int  # of threads' magazines of blocks

    metadata_reserved_bytes: int  # address space
    metadata_used_bytes: int  # of it, what costs memory

    num_swap_blocks: int
    free_swap_blocks: int
    quarantined_swap_blocks: int
    acquired_swap_blocks: int  # for the caller's own use
    swapped_tokens: int  # lengths of the swapped sequences; sequence_tokens counts them too
    swapped_out: int  # sequences, since the cache was made
    swapped_in: int


@dataclass(frozen=True)
class SequenceInfo:
    """What there is to know about one sequence: akv_sequence_info."""

    length: int  # tokens that have a place
    known: int  # of these, have token ids
    committed: int  # of these, have K/V
    published_tokens: int  # can be found by others (whole blocks)
    sound_tokens: int  # = length, or less when content was given up
    num_blocks: int  # of its table, reserved ones included
    shared_blocks: int  # of these, not its own to write to
    capacity: int  # tokens its blocks can hold
    remaining: int  # tokens until max_tokens
    max_tokens: int
    version: int  # changes when an entry of its table is replaced or dropped
    request_id: int
    owner: int
    domain: int
    plan: int  # the open plan; 0: none
    wait: int  # a ticket to wait for before its K/V are read; 0: nothing
    state: int  # SequenceState
    swap_blocks: int  # that it has


@dataclass(frozen=True)
class Room:
    """Whether a call would succeed, and the numbers its error would name: akv_room."""

    status: Status  # what the call would answer now
    blocks_needed: int  # from the pool, beyond what is shared or reserved
    blocks_available: int  # free + evictable, less what this very prompt would hold on to
    blocks_free: int
    blocks_evictable: int  # cached, and no ticket is open on them
    blocks_quarantined: int  # come back as tickets end and leases are released
    sequences_available: int
    tokens_available: int  # room in tokens: the spare room of the sequence's last block included
    oldest_open: int  # what quarantine waits for first; 0: no ticket is open


@dataclass(frozen=True)
class Match:
    """How much of a prompt is cached: akv_match."""

    cached_tokens: int
    partial_tokens: int
    cached_blocks: int  # cached_tokens / block_tokens
    wait: int  # its writer has not finished: what to wait for, see ticket.h. 0: nothing


@dataclass(frozen=True)
class Explanation:
    """Why a prompt hits as far as it does: akv_explanation. For the operator, not for tenants."""

    reason: Miss  # the first that holds, in the order 5, 4, 3, 2, 1
    cached_tokens: int
    partial_tokens: int
    first_missed: int  # position of the first token that does not hit
    wait: int  # IN_FLIGHT: what to wait for
    sequence: int  # NOT_COMMITTED: who has it


@dataclass(frozen=True)
class PlanInfo:
    """A plan's size and price: akv_plan_info."""

    num_records: int
    num_sequences: int  # that are alive and wait for it
    copied_tokens: int  # to be copied: times bytes_per_token it is the price
    zeroed_blocks: int  # to be zeroed: times bytes_per_block


@dataclass(frozen=True)
class PlanRecord:
    """One piece of work of a plan, for all layers and planes: akv_plan_record."""

    kind: int  # RecordKind; new kinds may come: refuse what you don't know
    group: int  # layer group
    part: int  # part of the K/V: 0
    source_block: int
    target_block: int
    source_store: int  # 0: the cache's blocks; 1: its swap blocks
    target_store: int
    first_token: int  # inside the block
    num_tokens: int
    sequence: int  # whose block the target is
    wait: int  # the source's writer has not finished: what to wait for, see ticket.h; 0: nothing
    cookie: int  # for tiers; 0


@dataclass(frozen=True)
class Measures:
    """An exact read-out that looks at every block: akv_measures."""

    largest_free_run: int  # free and dirty blocks with neighbouring ids
    fragmentation: float  # outside blocks: 1 - largest_free_run / (free + dirty); 0 when nothing is free
    advice: int  # Advice
    waste: float  # inside blocks: the share of live and reserved blocks' room that holds no token
    live_tokens: int  # in live blocks, each counted once however many sequences share it


@dataclass(frozen=True)
class SequenceLine:
    """A live sequence: akv_sequence_line."""

    sequence: int
    request_id: int
    owner: int
    domain: int
    length: int
    known: int
    committed: int
    num_blocks: int
    reserved_blocks: int
    flags: int  # LineFlag


@dataclass(frozen=True)
class HoldLine:
    """A pin, lease or open plan: akv_hold_line."""

    handle: int  # akv_pin, akv_lease or akv_plan
    owner: int  # 0 for plans
    since: int  # the newest ticket when it was made: how old it is, in steps
    kind: int  # Hold
    blocks: int  # of a pin or lease; records of a plan


@dataclass(frozen=True)
class Sizes:
    """What a cache of some shape needs, in bytes: akv_sizes."""

    block_tokens: int
    bytes_per_token: int  # over all layers and planes, scales included
    bytes_per_block: int  # bytes_per_token x block_tokens
    total_bytes: int  # bytes_per_block x num_blocks; the null block comes on top
    query_head_bytes: int  # what total_bytes would be with a KV head for each query head; 0: not told
    metadata_reserved_bytes: int  # address space of the cache's metadata
    swap_bytes: int  # bytes_per_block x num_swap_blocks
