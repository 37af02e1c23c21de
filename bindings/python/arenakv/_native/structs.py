"""structs.py: the structs of the C API that hold numbers: caches, sequences, plans, models. Those about bytes are in
byte_structs.py.

They are declared as include/arenakv/ declares them; tests/test_layouts.py compares them with what the compiler
measures. Pointers are addresses: what they point to must be kept by who fills them in.
"""
from __future__ import annotations

import ctypes
from ctypes import (
    Structure,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, List, Tuple

Fields = List[Tuple[str, Any]]


def _fields(kind: Any, names: str) -> Fields:
    return [(name, kind) for name in names.split()]


def i32(names: str) -> Fields:
    return _fields(c_int32, names)


def u16(names: str) -> Fields:
    return _fields(c_uint16, names)


def u32(names: str) -> Fields:
    return _fields(c_uint32, names)


def i64(names: str) -> Fields:
    return _fields(c_int64, names)


def u64(names: str) -> Fields:
    return _fields(c_uint64, names)


def f32(names: str) -> Fields:
    return _fields(c_float, names)


def f64(names: str) -> Fields:
    return _fields(c_double, names)


def pointer(names: str) -> Fields:
    return _fields(c_void_p, names)


class Sized(Structure):
    """A struct that may grow: it says how large it is here, as the AKV_..._INIT macros do."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.struct_size = ctypes.sizeof(self)


def values(struct: Structure) -> Dict[str, Any]:
    """What a struct holds, without its size and what is unused."""
    return {name: getattr(struct, name) for name, *_ in struct._fields_ if name not in ("struct_size", "unused")}


class CacheConfig(Sized):
    _fields_ = [
        *u32("struct_size flags num_blocks block_tokens max_sequences max_tokens_per_sequence "
             "max_open_tickets max_plans max_holds max_pinned_blocks magazine_blocks block_allocator "
             "scrub num_groups group_size num_swap_blocks"),
        *pointer("groups allocator"),
    ]

class Plane(Structure):
    _fields_ = [
        *u32("role dtype kv_heads head_dim scale_bytes scaling"),
    ]

class LayerGroup(Structure):
    _fields_ = [
        *u32("rule num_layers num_planes plane_size"),
        *pointer("planes"),
        *u32("query_heads unused"),
    ]

class Sizes(Sized):
    _fields_ = [
        *u32("struct_size block_tokens"),
        *u64("bytes_per_token bytes_per_block total_bytes query_head_bytes metadata_reserved_bytes swap_bytes"),
    ]

class Model(Sized):
    _fields_ = [
        *u32("struct_size preset family attention dtype num_layers query_heads kv_heads key_head_dim "
             "value_head_dim latent_dim rope_dim max_context sliding_window"),
        ("window_layers", c_uint64 * 4),
    ]

class ModelFields(Sized):
    _fields_ = [
        *u32("struct_size num_hidden_layers num_attention_heads num_key_value_heads hidden_size "
             "head_dim max_position_embeddings multi_query new_decoder_architecture kv_lora_rank "
             "qk_rope_head_dim qk_nope_head_dim v_head_dim sliding_window use_sliding_window "
             "max_window_layers sliding_window_pattern num_layer_types"),
        ("sliding_layers", c_uint64 * 4),
        *u32("num_other_layers key_projection_rows"),
        *pointer("model_type torch_dtype"),
    ]

class ModelSizes(Sized):
    _fields_ = [
        *u32("struct_size attention dtype num_layers"),
        *u64("num_tokens bytes_per_token_layer bytes_per_token bytes query_head_bytes saved_bytes"),
    ]

class PlanRecord(Structure):
    _fields_ = [
        *u32("kind"),
        *u16("group part"),
        *i32("source_block target_block"),
        *u32("source_store target_store first_token num_tokens"),
        *u64("sequence wait cookie"),
    ]

class PlanInfo(Sized):
    _fields_ = [
        *u32("struct_size num_records num_sequences unused"),
        *u64("copied_tokens zeroed_blocks"),
    ]

class PlannerRequest(Sized):
    _fields_ = [
        *u32("struct_size dtype num_layers block_tokens alignment num_sequences"),
        *u64("context_tokens expected_tokens budget_bytes total_bytes weight_bytes activation_bytes overhead_bytes"),
        *u32("format unused"),
    ]

class PlannerResult(Sized):
    _fields_ = [
        *u32("struct_size dtype num_layers block_tokens num_blocks num_sequences"),
        *u64("num_tokens context_tokens blocks_per_sequence spare_blocks bytes_per_token "
             "bytes_per_block sequence_block_bytes rounding_bytes null_block_bytes padding_bytes "
             "store_bytes budget_bytes slack_bytes"),
    ]

class PageSize(Sized):
    _fields_ = [
        *u32("struct_size alignment"),
        *u64("page_bytes tensor_bytes tensors_per_sequence sequence_page_bytes full_waste_bytes "
             "expected_waste_bytes"),
    ]

class Prompt(Sized):
    _fields_ = [
        *u32("struct_size num_tokens"),
        *pointer("tokens"),
        *u64("domain"),
    ]

class Match(Sized):
    _fields_ = [
        *u32("struct_size cached_tokens partial_tokens cached_blocks"),
        *u64("wait"),
    ]

class Explanation(Sized):
    _fields_ = [
        *u32("struct_size reason cached_tokens partial_tokens first_missed unused"),
        *u64("wait sequence"),
    ]

class SequenceOptions(Sized):
    _fields_ = [
        *u32("struct_size flags"),
        *u64("request_id owner"),
        *u32("reserve_tokens max_tokens"),
    ]

class Created(Sized):
    _fields_ = [
        *u32("struct_size length cached_tokens partial_tokens shared_blocks new_blocks"),
        *u64("sequence plan wait"),
    ]

class Room(Sized):
    _fields_ = [
        *u32("struct_size"),
        *i32("status"),
        *u32("blocks_needed blocks_available blocks_free blocks_evictable blocks_quarantined sequences_available"),
        *u64("tokens_available oldest_open"),
    ]

class SequenceInfo(Sized):
    _fields_ = [
        *u32("struct_size length known committed published_tokens sound_tokens num_blocks "
             "shared_blocks capacity remaining max_tokens version"),
        *u64("request_id owner domain plan wait"),
        *u32("state swap_blocks"),
    ]

class CacheState(Sized):
    _fields_ = [
        *u32("struct_size block_tokens num_blocks free_blocks dirty_blocks reserved_blocks live_blocks "
             "pinned_blocks cached_blocks quarantined_blocks evictable_blocks duplicate_blocks "
             "peak_live_blocks sequences max_sequences lost_sequences runs pins leases plans "
             "open_tickets swapped_sequences"),
        *u64("oldest_open newest bytes_per_block sequence_tokens cached_tokens created_sequences "
             "freed_sequences prompt_tokens hit_tokens partial_tokens published_blocks evicted_blocks "
             "copy_on_writes refused_no_blocks refills metadata_reserved_bytes metadata_used_bytes"),
        *u32("num_swap_blocks free_swap_blocks quarantined_swap_blocks acquired_swap_blocks"),
        *u64("swapped_tokens swapped_out swapped_in"),
    ]

class Measures(Sized):
    _fields_ = [
        *u32("struct_size largest_free_run"),
        *f32("fragmentation"),
        *u32("advice"),
        *f32("waste"),
        *u32("unused"),
        *u64("live_tokens"),
    ]

class SequenceLine(Structure):
    _fields_ = [
        *u64("sequence request_id owner domain"),
        *u32("length known committed num_blocks reserved_blocks flags"),
    ]

class HoldLine(Structure):
    _fields_ = [
        *u64("handle owner since"),
        *u32("kind blocks"),
    ]

class ErrorDetail(Sized):
    _fields_ = [
        *u32("struct_size"),
        *i32("status"),
        *u32("row unused"),
        *u64("needed available"),
    ]

class RowState(Structure):
    _fields_ = [
        *u64("sequence"),
        *u32("version blocks_written"),
    ]

class Batch(Sized):
    _fields_ = [
        *u32("struct_size flags num_sequences tokens_count"),
        *pointer("sequences num_tokens first tokens"),
    ]

class Tables(Sized):
    _fields_ = [
        *u32("struct_size group part"),
        *i32("pad_block"),
        *pointer("slot_mapping positions"),
        *u64("slot_capacity padded_slots"),
        *pointer("query_start_loc kv_indptr kv_indices kv_last_page_len"),
        *u64("kv_indices_capacity"),
        *u32("sequence_capacity padded_sequences"),
        *pointer("block_table row_states first_positions seq_lens row_of"),
        *u64("row_stride"),
        *u32("row_width num_rows"),
    ]

class SwappedIn(Sized):
    _fields_ = [
        *u32("struct_size cached_tokens copied_tokens new_blocks"),
        *u64("plan wait"),
    ]
