"""byte_structs.py: the structs of the C API about bytes: stores, copies, streams, attention, page pools, images.

They are declared as include/arenakv/ declares them; tests/test_layouts.py compares them with what the compiler
measures. Pointers are addresses: what they point to must be kept by who fills them in.
"""
from __future__ import annotations

from ctypes import Structure, c_int64, c_uint8

from .structs import Sized, f32, f64, i64, pointer, u32, u64

MAX_DIMENSIONS = 6
LABEL_BYTES = 64


class PagePoolConfig(Sized):
    _fields_ = [
        *u32("struct_size flags"),
        *u64("page_bytes"),
        *u32("num_pages max_pages max_arenas tensors_per_page max_open_tickets device purpose unused"),
        *pointer("memory"),
        *u64("memory_bytes"),
        *pointer("tracker"),
    ]

class MemoryView(Sized):
    _fields_ = [
        *u32("struct_size device"),
        *pointer("data"),
        *u64("bytes capacity_bytes epoch owner"),
        *u32("content page"),
    ]

class ArenaInfo(Sized):
    _fields_ = [
        *u32("struct_size pages"),
        *u64("owner tensors capacity_bytes rounding_bytes closed_bytes open_bytes"),
    ]

class Dropped(Sized):
    _fields_ = [
        *u32("struct_size arenas"),
        *u64("tensors"),
        *u32("raw_pages pages"),
        *u64("bytes"),
    ]

class PagePoolState(Sized):
    _fields_ = [
        *u32("struct_size device"),
        *u64("page_bytes"),
        *u32("max_pages free_pages live_pages quarantined_pages unreserved_pages fresh_pages arena_pages arenas"),
        *u64("tensors capacity_bytes rounding_bytes closed_bytes handed_out recycled recycled_bytes"),
        *f64("hit_ratio"),
        *u64("refused dropped_arenas dropped_tensors abandoned_tickets oldest_open newest"),
        *u32("open_tickets lock_free bytes_per_tensor unused"),
        *u64("table_bytes"),
    ]

class AttentionPart(Structure):
    _fields_ = [
        *pointer("store block_table"),
        *i64("table_stride"),
        *pointer("lengths first_positions key_scales value_scales"),
    ]

class Attention(Sized):
    _fields_ = [
        *u32("struct_size flags layer num_sequences num_queries query_heads dtype value_dim"),
        *pointer("query out log_sums"),
        ("query_strides", c_int64 * 3),
        ("out_strides", c_int64 * 3),
        *f32("scale soft_cap"),
        *u32("window sink_tokens"),
        *pointer("sink_logits positions parts"),
        *u32("num_parts part_size"),
    ]

class TokenData(Structure):
    _fields_ = [
        *pointer("data"),
        *i64("token_stride head_stride"),
        *pointer("scales"),
        *i64("scale_stride"),
        *u32("plane dtype"),
    ]

class Span(Structure):
    _fields_ = [
        *pointer("blocks"),
        *u32("num_blocks first_token num_tokens first_layer num_layers dtype"),
        *pointer("data"),
        *u64("bytes"),
        *pointer("head_scales"),
    ]

class CopyStats(Structure):
    _fields_ = [
        *u32("kind from_device to_device unused"),
        *u64("calls items bytes verified_bytes"),
    ]

class SaveOptions(Sized):
    _fields_ = [
        *u32("struct_size flags num_tokens unused"),
        *u64("owner"),
        *pointer("label"),
    ]

class LoadOptions(Sized):
    _fields_ = [
        *u32("struct_size flags"),
        *u64("domain"),
        *pointer("label sequence"),
    ]

class PagerConfig(Sized):
    _fields_ = [
        *u32("struct_size num_stores"),
        *pointer("stores"),
    ]

class Residence(Sized):
    _fields_ = [
        *u32("struct_size resident pending started_out started_in unused"),
        *u64("wait"),
    ]

class Overflow(Structure):
    _fields_ = [
        *u64("row"),
        *pointer("blocks"),
        *u32("num_blocks length keep_tokens unused"),
    ]

class ImageInfo(Sized):
    _fields_ = [
        *u32("struct_size version num_tokens known_tokens"),
        *u64("image_bytes payload_offset payload_bytes"),
        ("label", c_uint8 * LABEL_BYTES),
    ]

class TrackerConfig(Sized):
    _fields_ = [
        *u32("struct_size max_records"),
    ]

class Allocation(Structure):
    _fields_ = [
        *u32("device purpose"),
        *u64("bytes"),
    ]

class MemoryTotals(Sized):
    _fields_ = [
        *u32("struct_size records"),
        *u64("bytes peak_bytes allocations frees limit_bytes refused"),
    ]

class Region(Structure):
    _fields_ = [
        *pointer("data"),
        *u64("bytes"),
        *i64("block_stride token_stride head_stride"),
        *pointer("scales"),
        *u64("scales_bytes"),
        *i64("scales_block_stride scales_token_stride"),
    ]

class StoreConfig(Sized):
    _fields_ = [
        *u32("struct_size flags device layout heads columns first_head num_heads num_layers "
             "num_regions region_size unused"),
        *pointer("layers regions tracker"),
    ]

class StoreInfo(Sized):
    _fields_ = [
        *u32("struct_size device layout heads columns block_tokens num_blocks num_layers num_planes "
             "first_head num_heads callers_memory"),
        *u64("bytes_per_block bytes alignment_waste epoch"),
    ]

class StreamConfig(Sized):
    _fields_ = [
        *u32("struct_size flags device num_workers queue_items unused"),
        *u64("queue_bytes"),
    ]

class TailConfig(Sized):
    _fields_ = [
        *u32("struct_size dtype tail_tokens slack_tokens max_sequences unused"),
        *pointer("head_scales"),
    ]

class TailInfo(Sized):
    _fields_ = [
        *u32("struct_size dtype block_tokens tail_tokens slack_tokens ring_blocks max_sequences open_rows"),
    ]

class View(Sized):
    _fields_ = [
        *u32("struct_size flags dtype device num_dimensions unused"),
        *pointer("data"),
        *u64("epoch"),
        ("shape", c_int64 * MAX_DIMENSIONS),
        ("strides", c_int64 * MAX_DIMENSIONS),
    ]
