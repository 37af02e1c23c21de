"""_state.py: what a cache and a sequence tell about themselves, as values of that moment.

Names and meanings are those of the C structs (include/arenakv/state.h, sequence.h); tests/test_layouts.py keeps them
the same. It knows no cache.
"""
from __future__ import annotations

from dataclasses import dataclass


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
    state: int  # 0: active, 1: being swapped out, 2: swapped, 3: being swapped in
    swap_blocks: int  # that it has
