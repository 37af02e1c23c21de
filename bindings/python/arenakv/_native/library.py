"""library.py: the shared library, its functions with their types, and the error that a failed call becomes.

Parameters are declared as the headers have them, results too where they are no status. A pointer to a struct takes the
struct; one to plain numbers takes an address, or ref() of a number that the call fills in; one to an object takes its
handle: none is ever dereferenced. ctypes lets go of the interpreter's lock during a call, so calls of several threads
run at the same time.
"""
from __future__ import annotations

import ctypes
import importlib.resources
from ctypes import POINTER, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, Tuple

from .._errors import ArenakvError, Status, make_error
from . import byte_structs as b
from . import structs as s

PTR, I32, U32, U64, SIZE = c_void_p, c_int32, c_uint32, c_uint64, c_size_t

FUNCTIONS: Dict[str, Tuple[Any, ...]] = {
    "akv_arena_create": (PTR, U64, PTR),
    "akv_arena_drop": (PTR, U64),
    "akv_arena_read_info": (PTR, U64, b.ArenaInfo),
    "akv_attention_decode": (b.Attention, PTR),
    "akv_attention_merge": (PTR, PTR, PTR, PTR, PTR, PTR, U64, U32, U32, PTR),
    "akv_attention_name": (U32,),
    "akv_blocks_for": (U64, U32),
    "akv_cache_audit": (PTR,),
    "akv_cache_audit_all": (PTR,),
    "akv_cache_can_allocate": (PTR, s.Prompt, s.SequenceOptions, s.Room),
    "akv_cache_config_sizes": (s.CacheConfig, s.Sizes),
    "akv_cache_create": (s.CacheConfig, PTR),
    "akv_cache_destroy": (PTR,),
    "akv_cache_drop_owner": (PTR, U64, U32, PTR),
    "akv_cache_measure": (PTR, s.Measures),
    "akv_cache_read_block_map": (PTR, PTR, U32),
    "akv_cache_read_config": (PTR, s.CacheConfig),
    "akv_cache_read_group": (PTR, U32, s.LayerGroup, U32, s.Plane, U32),
    "akv_cache_read_holds": (PTR, s.HoldLine, U32, U32, PTR),
    "akv_cache_read_sequences": (PTR, s.SequenceLine, U32, U32, PTR),
    "akv_cache_read_state": (PTR, s.CacheState),
    "akv_copy_blocks": (PTR, PTR, PTR, PTR, U32, U32, PTR),
    "akv_copy_converted": (PTR, PTR, PTR, PTR, PTR, PTR, U32, PTR),
    "akv_copy_from_tensor": (PTR, U64, U64, PTR, U64, PTR),
    "akv_copy_gather": (PTR, b.Span, U32, U32, PTR),
    "akv_copy_load": (PTR, PTR, U64, b.LoadOptions, PTR, U32, s.Created, PTR),
    "akv_copy_make_resident": (PTR, PTR, PTR, U32, b.Residence, PTR),
    "akv_copy_overflow": (PTR, b.Overflow, U32, U32, PTR, PTR),
    "akv_copy_read_tiers": (PTR, b.Overflow, U32, U32, PTR, U64, PTR),
    "akv_copy_read_tokens": (PTR, U32, PTR, U32, b.TokenData, U32, U32, PTR),
    "akv_copy_records": (s.PlanRecord, U32, PTR, U32, U32, PTR),
    "akv_copy_run": (PTR, U64, PTR, U32, U32, PTR),
    "akv_copy_save": (PTR, U64, PTR, U32, b.SaveOptions, PTR, U64, PTR, PTR),
    "akv_copy_scatter": (PTR, b.Span, U32, U32, PTR),
    "akv_copy_tensor": (PTR, U64, U64, U64, U64, U64, PTR),
    "akv_copy_to_tensor": (PTR, U64, U64, PTR, U64, PTR),
    "akv_copy_write_tokens": (PTR, U32, PTR, U32, b.TokenData, U32, U32, PTR),
    "akv_copy_zero": (PTR, PTR, U32, PTR),
    "akv_copy_zero_page": (PTR, U64, PTR),
    "akv_copy_zero_tensor": (PTR, U64, PTR),
    "akv_family_name": (U32,),
    "akv_has": (U32,),
    "akv_image_bytes": (PTR, U64, U32, PTR),
    "akv_image_check": (PTR, U64, b.ImageInfo),
    "akv_image_read_file": (PTR, PTR, U64, PTR),
    "akv_image_read_group": (PTR, U64, s.LayerGroup, U32, s.Plane, U32),
    "akv_image_read_tokens": (PTR, U64, U32, U32, PTR),
    "akv_image_write_file": (PTR, PTR, U64),
    "akv_isa_choose": (U32,),
    "akv_isa_in_use": (),
    "akv_isa_name": (U32,),
    "akv_last_error": (PTR, SIZE),
    "akv_last_error_detail": (s.ErrorDetail,),
    "akv_lease_acquire": (PTR, U64, U32, U64, PTR, PTR),
    "akv_lease_read_blocks": (PTR, U64, PTR, U32, PTR),
    "akv_lease_release": (PTR, U64),
    "akv_model_detect_kv_heads": (U64, U32, U32, PTR),
    "akv_model_find": (PTR, s.Model),
    "akv_model_from_fields": (s.ModelFields, s.Model),
    "akv_model_name": (U32,),
    "akv_model_read_group": (s.Model, U32, s.LayerGroup, U32, s.Plane, U32),
    "akv_model_read_sizes": (s.Model, U32, U32, U64, s.ModelSizes),
    "akv_page_acquire": (PTR, U64, PTR, PTR, U32),
    "akv_page_pool_create": (b.PagePoolConfig, PTR),
    "akv_page_pool_destroy": (PTR,),
    "akv_page_pool_drop_all": (PTR, b.Dropped),
    "akv_page_pool_drop_owner": (PTR, U64, b.Dropped),
    "akv_page_pool_read_config": (PTR, b.PagePoolConfig),
    "akv_page_pool_read_state": (PTR, b.PagePoolState),
    "akv_page_pool_read_stats": (PTR, b.CopyStats, U32, U32, PTR),
    "akv_page_pool_reserve": (PTR, U32),
    "akv_page_pool_ticket_abandon": (PTR, U64),
    "akv_page_pool_ticket_open": (PTR, PTR),
    "akv_page_pool_ticket_read": (PTR, U64, PTR),
    "akv_page_pool_ticket_retire": (PTR, U64),
    "akv_page_read_view": (PTR, U64, b.MemoryView),
    "akv_page_release": (PTR, PTR, U32),
    "akv_pager_create": (PTR, b.PagerConfig, PTR),
    "akv_pager_destroy": (PTR,),
    "akv_plan_abandon": (PTR, U64),
    "akv_plan_finish": (PTR, U64, U64),
    "akv_plan_read_info": (PTR, U64, s.PlanInfo),
    "akv_plan_read_records": (PTR, U64, U32, s.PlanRecord, U32, PTR),
    "akv_planes_choose": (s.Plane, U32, U32, U32, U32),
    "akv_planner_fit": (s.Model, s.PlannerRequest, s.PlannerResult),
    "akv_planner_need": (s.Model, s.PlannerRequest, s.PlannerResult),
    "akv_planner_page_size": (s.Model, s.PlannerRequest, s.PageSize),
    "akv_prefix_clear": (PTR, PTR, U32, PTR),
    "akv_prefix_explain": (PTR, s.Prompt, s.Explanation),
    "akv_prefix_match": (PTR, s.Prompt, s.Match),
    "akv_prefix_pin": (PTR, s.Prompt, U64, PTR, PTR),
    "akv_prefix_unpin": (PTR, U64),
    "akv_report_block_map": (PTR, U32, PTR, U64, PTR),
    "akv_report_dump": (PTR, PTR, U64, PTR),
    "akv_sequence_append": (PTR, U64, PTR, U32, U32, PTR),
    "akv_sequence_append_batch": (PTR, s.Batch, s.Tables, PTR),
    "akv_sequence_can_extend": (PTR, U64, U32, s.Room),
    "akv_sequence_commit": (PTR, U64, U32, U64),
    "akv_sequence_commit_batch": (PTR, PTR, PTR, U32, U64),
    "akv_sequence_create": (PTR, s.Prompt, s.SequenceOptions, s.Created),
    "akv_sequence_find": (PTR, U64, PTR),
    "akv_sequence_fork": (PTR, U64, U32, s.SequenceOptions, PTR),
    "akv_sequence_free": (PTR, U64),
    "akv_sequence_free_batch": (PTR, PTR, U32, PTR, PTR, PTR),
    "akv_sequence_read_blocks": (PTR, U64, U32, PTR, U32, PTR),
    "akv_sequence_read_info": (PTR, U64, s.SequenceInfo),
    "akv_sequence_read_tables": (PTR, s.Batch, s.Tables),
    "akv_sequence_read_tokens": (PTR, U64, U32, U32, PTR),
    "akv_sequence_reserve": (PTR, U64, U32, PTR),
    "akv_sequence_set_length": (PTR, U64, U32),
    "akv_sequence_set_tokens": (PTR, U64, U32, PTR, U32),
    "akv_sequence_set_tokens_batch": (PTR, s.Batch),
    "akv_sequence_swap_in": (PTR, U64, s.SwappedIn),
    "akv_sequence_swap_out": (PTR, U64, PTR),
    "akv_sequence_truncate": (PTR, U64, U32, U32),
    "akv_sequence_truncate_batch": (PTR, PTR, PTR, U32, U32),
    "akv_set_log": (PTR, PTR, U32),
    "akv_status_name": (I32,),
    "akv_store_check_view": (PTR, b.View),
    "akv_store_create": (PTR, b.StoreConfig, PTR),
    "akv_store_destroy": (PTR,),
    "akv_store_read_info": (PTR, b.StoreInfo),
    "akv_store_read_region": (PTR, U32, U32, b.Region, U32),
    "akv_store_read_sequence_view": (PTR, U32, U32, PTR, U32, U32, b.View),
    "akv_store_read_stats": (PTR, b.CopyStats, U32, U32, PTR),
    "akv_store_read_view": (PTR, U32, U32, b.View),
    "akv_store_span_bytes": (PTR, U32, U32, U32, U32, PTR),
    "akv_store_warm_up": (PTR, PTR, PTR),
    "akv_stream_call": (PTR, PTR, PTR),
    "akv_stream_create": (b.StreamConfig, PTR),
    "akv_stream_destroy": (PTR,),
    "akv_stream_follow": (PTR, PTR, U64),
    "akv_stream_poll": (PTR, PTR),
    "akv_stream_read": (PTR, U64, PTR),
    "akv_stream_read_fd": (PTR, PTR),
    "akv_stream_record": (PTR, PTR),
    "akv_stream_record_ticket": (PTR, PTR, U64),
    "akv_stream_wait": (PTR, U64, U64),
    "akv_swap_acquire": (PTR, U32, PTR),
    "akv_swap_release": (PTR, PTR, U32),
    "akv_tail_close": (PTR, U64),
    "akv_tail_create": (PTR, PTR, b.TailConfig, PTR),
    "akv_tail_create_store": (PTR, b.TailConfig, b.StoreConfig, PTR),
    "akv_tail_destroy": (PTR,),
    "akv_tail_open": (PTR, U32, PTR),
    "akv_tail_read_info": (PTR, b.TailInfo),
    "akv_tail_read_slots": (PTR, PTR, PTR, U32, PTR),
    "akv_tail_read_tables": (PTR, PTR, U32, PTR, U32, PTR),
    "akv_tensor_create": (PTR, U64, U64, PTR, PTR),
    "akv_tensor_create_batch": (PTR, U64, PTR, U32, PTR, PTR),
    "akv_tensor_extend": (PTR, U64, U64, PTR),
    "akv_tensor_read_shape": (PTR, U64, U64, U32, PTR, U32, b.View),
    "akv_tensor_read_view": (PTR, U64, b.MemoryView),
    "akv_ticket_abandon": (PTR, U64, PTR),
    "akv_ticket_open": (PTR, PTR),
    "akv_ticket_read": (PTR, U64, PTR),
    "akv_ticket_retire": (PTR, U64),
    "akv_tracker_create": (b.TrackerConfig, PTR),
    "akv_tracker_destroy": (PTR,),
    "akv_tracker_forget": (PTR, PTR, U32),
    "akv_tracker_read_totals": (PTR, U32, U32, b.MemoryTotals),
    "akv_tracker_record": (PTR, b.Allocation, U32, U32, PTR),
    "akv_tracker_set_limit": (PTR, U32, U64),
    "akv_version": (),
    "akv_version_string": (),
    "akv_view_measure": (b.View, PTR, PTR),
    "akv_view_permute": (b.View, PTR, b.View),
    "akv_view_reshape": (b.View, PTR, U32, b.View),
    "akv_view_slice": (b.View, U32, U64, U64, b.View),
}
RESULTS: Dict[str, Any] = {
    "akv_attention_name": c_char_p,
    "akv_blocks_for": c_uint64,
    "akv_family_name": c_char_p,
    "akv_has": c_int32,
    "akv_isa_in_use": c_uint32,
    "akv_isa_name": c_char_p,
    "akv_last_error": c_size_t,
    "akv_model_name": c_char_p,
    "akv_status_name": c_char_p,
    "akv_version": c_uint32,
    "akv_version_string": c_char_p,
}


def _argument(kind: Any) -> Any:
    return POINTER(kind) if issubclass(kind, ctypes.Structure) else kind


def _load() -> ctypes.CDLL:
    """The library that lies in this package, and no other."""
    folder = importlib.resources.files(__package__.rpartition(".")[0])
    with importlib.resources.as_file(folder.joinpath("libarenakv.so")) as path:
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise ImportError(f"arenakv can't load its library ({error}): install the package with pip, which builds "
                              "the library into it; the source folder has none") from error
    for name, parameters in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = RESULTS.get(name, c_int32)
        function.argtypes = [_argument(kind) for kind in parameters]
    return library


lib: Any = _load()


def status_name(status: int) -> str:
    name: bytes = lib.akv_status_name(status)
    return name.decode()


def last_error() -> str:
    capacity = 512
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length: int = lib.akv_last_error(buffer, capacity)
        if length < capacity:
            return buffer.value.decode(errors="replace")
        capacity = length + 1


def error(status: int) -> ArenakvError:
    """The exception for a call of this thread that has just failed."""
    detail = s.ErrorDetail()
    lib.akv_last_error_detail(detail)
    if detail.status != status:  # a signal handler or a finalizer came in between, and failed in its own way
        return make_error(status, "its message was overwritten by a later failure on this thread")
    row = None if detail.row == 0xFFFFFFFF else detail.row
    return make_error(status, last_error(), detail.needed, detail.available, row)


def check(status: int) -> None:
    if status != Status.OK:
        raise error(status)
