"""_byte_state.py: what stores, pools, images and the planner tell, as values of that moment.

Names and meanings are those of the C structs (include/arenakv/); tests/test_layouts.py keeps them the same.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreInfo:
    """What a store is: akv_store_info."""

    device: int
    layout: int
    heads: int
    columns: int  # Columns
    block_tokens: int
    num_blocks: int  # columns, block 0 not counted
    num_layers: int  # that are stored
    num_planes: int  # of each layer
    first_head: int
    num_heads: int  # 0: all
    callers_memory: int  # 1: regions of the caller
    bytes_per_block: int  # of this store's layers and heads, scales included
    bytes: int  # of the reservation, or of all the caller's regions
    alignment_waste: int  # of these, bytes that hold no element
    epoch: int  # of its views


@dataclass(frozen=True)
class CopyStats:
    """What was moved, of one kind in one direction: akv_copy_stats."""

    kind: int  # Moved
    from_device: int  # 0: the host
    to_device: int
    calls: int  # pieces of work; for a plan, one for each kind in it
    items: int  # tokens, spans, blocks or records
    bytes: int  # of elements and scales that were written, each once
    verified_bytes: int  # of these, compared afterwards


@dataclass(frozen=True)
class Residence:
    """How far a pager is: akv_residence."""

    resident: int  # of the sequences asked for: active
    pending: int
    started_out: int  # sequences that this call sent out
    started_in: int  # and brought in
    wait: int


@dataclass(frozen=True)
class ImageInfo:
    """What an image says of itself: akv_image_info."""

    version: int  # of the format: 1
    num_tokens: int  # all of them have K/V
    known_tokens: int  # so many have ids before the first TOKEN_UNKNOWN
    image_bytes: int
    payload_offset: int
    payload_bytes: int  # num_tokens x the cache's bytes_per_token (akv_sizes)
    label: bytes  # the caller's own words for what made these K/V (akv_save_options)


@dataclass(frozen=True)
class MemoryTotals:
    """What a tracker has counted: akv_memory_totals."""

    records: int  # allocations that are there
    bytes: int  # and what they have
    peak_bytes: int  # the most that `bytes` ever was
    allocations: int  # recorded so far
    frees: int  # of these, freed
    limit_bytes: int  # of the device; 0: none, or all devices were asked for
    refused: int  # calls that a limit or max_records refused, on all devices


@dataclass(frozen=True)
class MemoryView:
    """Where bytes of a page pool lie: akv_memory_view."""

    device: int
    data: int  # 256-byte aligned within the pool's memory
    bytes: int  # in use: a tensor's length, all of a page
    capacity_bytes: int  # up to here it grows without moving
    epoch: int  # of what it belongs to: while a read-out answers this one, `data` is right
    owner: int
    content: int  # Content, as it was handed out
    page: int  # the number of its page, from 1


@dataclass(frozen=True)
class ArenaInfo:
    """What an arena has: akv_arena_info."""

    pages: int
    owner: int
    tensors: int
    capacity_bytes: int  # of its tensors, with what rounding to 256 added
    rounding_bytes: int  # of these, what rounding added
    closed_bytes: int  # at the ends of its pages, where no tensor will come any more
    open_bytes: int  # left in its newest page


@dataclass(frozen=True)
class Dropped:
    """What an emergency drop has given back: akv_dropped."""

    arenas: int
    tensors: int
    raw_pages: int  # that were acquired as pages
    pages: int  # in all; those of arenas included
    bytes: int  # of these pages


@dataclass(frozen=True)
class PagePoolState:
    """All numbers of a page pool: akv_page_pool_state."""

    device: int
    page_bytes: int
    max_pages: int
    free_pages: int  # can be handed out now
    live_pages: int  # held by arenas, or acquired
    quarantined_pages: int  # wait for tickets
    unreserved_pages: int  # have no memory yet
    fresh_pages: int  # of the free ones, never handed out
    arena_pages: int  # of the live ones, the arenas'
    arenas: int
    tensors: int
    capacity_bytes: int  # of live tensors, with what rounding to 256 added
    rounding_bytes: int  # of these, what rounding added
    closed_bytes: int  # at the ends of live pages, where no tensor will come any more
    handed_out: int  # pages, since the pool was made
    recycled: int  # of these, pages that had been used before
    recycled_bytes: int
    hit_ratio: float  # recycled / handed_out; 0 at first
    refused: int  # calls that found too few pages
    dropped_arenas: int
    dropped_tensors: int
    abandoned_tickets: int
    oldest_open: int  # NONE: none is open
    newest: int
    open_tickets: int
    lock_free: int  # 1: this machine hands out pages without a lock
    bytes_per_tensor: int  # of its table: 16
    table_bytes: int  # address space of all tables; they are touched as they are used


@dataclass(frozen=True)
class TailInfo:
    """What a tail is: akv_tail_info."""

    dtype: int
    block_tokens: int
    tail_tokens: int
    slack_tokens: int
    ring_blocks: int  # of a row
    max_sequences: int
    open_rows: int


@dataclass(frozen=True)
class ModelSizes:
    """What a model's K/V take, exactly: akv_model_sizes."""

    attention: int  # AttentionKind
    dtype: int  # counted with
    num_layers: int  # counted
    num_tokens: int  # counted
    bytes_per_token_layer: int  # all planes of one layer
    bytes_per_token: int  # of all layers counted
    bytes: int  # of all tokens
    query_head_bytes: int  # what `bytes` would be with a KV head for each query head; 0: not told (MLA)
    saved_bytes: int  # query_head_bytes - bytes, 0 at least: what GQA, MQA or MLA saves


@dataclass(frozen=True)
class PlannerResult:
    """What fits, or what is needed: akv_planner_result."""

    dtype: int  # counted with
    num_layers: int  # counted
    block_tokens: int
    num_blocks: int  # for akv_cache_config: without the null block
    num_sequences: int  # of that context, sharing nothing; MAX_SEQUENCES at most. fit: may be 0
    num_tokens: int  # num_blocks x block_tokens
    context_tokens: int
    blocks_per_sequence: int  # ceil(context_tokens / block_tokens)
    spare_blocks: int  # num_blocks - num_sequences x blocks_per_sequence
    bytes_per_token: int
    bytes_per_block: int  # of all layers and planes
    sequence_block_bytes: int  # blocks_per_sequence x bytes_per_block
    rounding_bytes: int  # of sequence_block_bytes, behind the last token of its last block: waste
    null_block_bytes: int  # block 0, which every store has
    padding_bytes: int  # regions rounded up to the alignment: waste
    store_bytes: int  # what the store reserves
    budget_bytes: int  # fit: what there is for it; need: store_bytes
    slack_bytes: int  # fit: what is left over: less than one block more would take; need: 0


@dataclass(frozen=True)
class PageSize:
    """A page that holds any one tensor of a sequence: akv_page_size."""

    alignment: int
    page_bytes: int
    tensor_bytes: int  # of the largest tensor: the largest plane of a layer, at context_tokens
    tensors_per_sequence: int  # layers x planes: as many pages
    sequence_page_bytes: int  # tensors_per_sequence x page_bytes
    full_waste_bytes: int  # of sequence_page_bytes, unused when all hold context_tokens
    expected_waste_bytes: int  # of sequence_page_bytes, unused when all hold expected_tokens
