"""_native.py: the C library as functions over ints, lists and dictionaries; the only file that knows ctypes.

Structs and functions are declared as include/arenakv/ declares them, and tests/test_layouts.py compares them with what
the compiler measures. It knows nothing of caches as objects, and never keeps a handle. ctypes lets go of the
interpreter's lock during a call, so calls of several threads run at the same time.
"""
from __future__ import annotations

import array
import ctypes
import importlib.resources
import operator
from ctypes import POINTER, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Callable, Dict, Iterable, List, Tuple, Type

from ._errors import ArenakvError, Status, make_error


class CacheConfig(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("num_blocks", c_uint32),
        ("block_tokens", c_uint32),
        ("max_sequences", c_uint32),
        ("max_tokens_per_sequence", c_uint32),
        ("max_open_tickets", c_uint32),
        ("max_plans", c_uint32),
        ("max_holds", c_uint32),
        ("max_pinned_blocks", c_uint32),
        ("magazine_blocks", c_uint32),
        ("block_allocator", c_uint32),
        ("scrub", c_uint32),
        ("num_groups", c_uint32),
        ("group_size", c_uint32),
        ("num_swap_blocks", c_uint32),
        ("groups", c_void_p),
        ("allocator", c_void_p),
    ]


class CacheState(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("block_tokens", c_uint32),
        ("num_blocks", c_uint32),
        ("free_blocks", c_uint32),
        ("dirty_blocks", c_uint32),
        ("reserved_blocks", c_uint32),
        ("live_blocks", c_uint32),
        ("pinned_blocks", c_uint32),
        ("cached_blocks", c_uint32),
        ("quarantined_blocks", c_uint32),
        ("evictable_blocks", c_uint32),
        ("duplicate_blocks", c_uint32),
        ("peak_live_blocks", c_uint32),
        ("sequences", c_uint32),
        ("max_sequences", c_uint32),
        ("lost_sequences", c_uint32),
        ("runs", c_uint32),
        ("pins", c_uint32),
        ("leases", c_uint32),
        ("plans", c_uint32),
        ("open_tickets", c_uint32),
        ("swapped_sequences", c_uint32),
        ("oldest_open", c_uint64),
        ("newest", c_uint64),
        ("bytes_per_block", c_uint64),
        ("sequence_tokens", c_uint64),
        ("cached_tokens", c_uint64),
        ("created_sequences", c_uint64),
        ("freed_sequences", c_uint64),
        ("prompt_tokens", c_uint64),
        ("hit_tokens", c_uint64),
        ("partial_tokens", c_uint64),
        ("published_blocks", c_uint64),
        ("evicted_blocks", c_uint64),
        ("copy_on_writes", c_uint64),
        ("refused_no_blocks", c_uint64),
        ("refills", c_uint64),
        ("metadata_reserved_bytes", c_uint64),
        ("metadata_used_bytes", c_uint64),
        ("num_swap_blocks", c_uint32),
        ("free_swap_blocks", c_uint32),
        ("quarantined_swap_blocks", c_uint32),
        ("acquired_swap_blocks", c_uint32),
        ("swapped_tokens", c_uint64),
        ("swapped_out", c_uint64),
        ("swapped_in", c_uint64),
    ]


class Prompt(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("num_tokens", c_uint32),
        ("tokens", POINTER(c_int32)),
        ("domain", c_uint64),
    ]


class SequenceOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("request_id", c_uint64),
        ("owner", c_uint64),
        ("reserve_tokens", c_uint32),
        ("max_tokens", c_uint32),
    ]


class Created(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("length", c_uint32),
        ("cached_tokens", c_uint32),
        ("partial_tokens", c_uint32),
        ("shared_blocks", c_uint32),
        ("new_blocks", c_uint32),
        ("sequence", c_uint64),
        ("plan", c_uint64),
        ("wait", c_uint64),
    ]


class SequenceInfo(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("length", c_uint32),
        ("known", c_uint32),
        ("committed", c_uint32),
        ("published_tokens", c_uint32),
        ("sound_tokens", c_uint32),
        ("num_blocks", c_uint32),
        ("shared_blocks", c_uint32),
        ("capacity", c_uint32),
        ("remaining", c_uint32),
        ("max_tokens", c_uint32),
        ("version", c_uint32),
        ("request_id", c_uint64),
        ("owner", c_uint64),
        ("domain", c_uint64),
        ("plan", c_uint64),
        ("wait", c_uint64),
        ("state", c_uint32),
        ("swap_blocks", c_uint32),
    ]


class ErrorDetail(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("status", c_int32),
        ("row", c_uint32),
        ("unused", c_uint32),
        ("needed", c_uint64),
        ("available", c_uint64),
    ]


# C name -> the class above.
STRUCTS: Dict[str, Type[ctypes.Structure]] = {
    "akv_cache_config": CacheConfig,
    "akv_cache_state": CacheState,
    "akv_prompt": Prompt,
    "akv_sequence_options": SequenceOptions,
    "akv_created": Created,
    "akv_sequence_info": SequenceInfo,
    "akv_error_detail": ErrorDetail,
}

# C name -> result, parameters. Text comes back in a buffer of ours, which ctypes passes as c_char_p; a cache is a void
# pointer, since it is never dereferenced.
FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "akv_version_string": (c_char_p, []),
    "akv_has": (c_int32, [c_uint32]),
    "akv_status_name": (c_char_p, [c_int32]),
    "akv_last_error": (c_size_t, [c_char_p, c_size_t]),
    "akv_last_error_detail": (c_int32, [POINTER(ErrorDetail)]),
    "akv_cache_create": (c_int32, [POINTER(CacheConfig), POINTER(c_void_p)]),
    "akv_cache_destroy": (c_int32, [c_void_p]),
    "akv_cache_read_state": (c_int32, [c_void_p, POINTER(CacheState)]),
    "akv_report_dump": (c_int32, [c_void_p, c_char_p, c_uint64, POINTER(c_uint64)]),
    "akv_report_block_map": (c_int32, [c_void_p, c_uint32, c_char_p, c_uint64, POINTER(c_uint64)]),
    "akv_sequence_create": (c_int32, [c_void_p, POINTER(Prompt), POINTER(SequenceOptions), POINTER(Created)]),
    "akv_sequence_append": (c_int32, [c_void_p, c_uint64, POINTER(c_int32), c_uint32, c_uint32, POINTER(c_uint64)]),
    "akv_sequence_commit": (c_int32, [c_void_p, c_uint64, c_uint32, c_uint64]),
    "akv_sequence_read_info": (c_int32, [c_void_p, c_uint64, POINTER(SequenceInfo)]),
    "akv_sequence_read_blocks": (
        c_int32,
        [c_void_p, c_uint64, c_uint32, POINTER(c_int32), c_uint32, POINTER(c_uint32)],
    ),
    "akv_sequence_free": (c_int32, [c_void_p, c_uint64]),
}


def _load() -> ctypes.CDLL:
    """The library that lies in this package, and no other."""
    with importlib.resources.as_file(importlib.resources.files(__package__).joinpath("libarenakv.so")) as path:
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise ImportError(f"arenakv can't load its library ({error}): install the package with pip, which builds "
                              "the library into it; the source folder has none") from error
    for name, (result, parameters) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, parameters
    return library


_library = _load()


# -- errors --

def status_name(status: int) -> str:
    name: bytes = _library.akv_status_name(status)
    return name.decode()


def last_error() -> str:
    capacity = 512
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length: int = _library.akv_last_error(buffer, capacity)
        if length < capacity:
            return buffer.value.decode(errors="replace")
        capacity = length + 1


def _error(status: int) -> ArenakvError:
    detail = ErrorDetail(struct_size=ctypes.sizeof(ErrorDetail))
    _library.akv_last_error_detail(detail)
    if detail.status != status:  # a signal handler or a finalizer came in between, and failed in its own way
        return make_error(status, "its message was overwritten by a later failure on this thread")
    return make_error(status, last_error(), detail.needed, detail.available)


def _check(status: int) -> None:
    if status != Status.OK:
        raise _error(status)


# -- values: ctypes cuts off what does not fit, so that is looked at before --

def _unsigned(name: str, value: int, bits: int = 32) -> int:
    number = operator.index(value)
    if not 0 <= number < 1 << bits:
        raise make_error(Status.INVALID_ARGUMENT, f"{name} is {number}, must be 0 to {(1 << bits) - 1}")
    return number


def _token_array(tokens: Iterable[int]) -> ctypes.Array[c_int32]:
    """Token ids as C has them. An id that is no int32 is an OverflowError, one that is no integer a TypeError."""
    ids = array.array("i", iter(tokens))  # iter(): bytes are ids one by one, not four to an id
    return (c_int32 * len(ids)).from_buffer(ids)


def _fields(struct: ctypes.Structure) -> Dict[str, int]:
    """What a struct holds, without its size and what is unused."""
    return {field[0]: getattr(struct, field[0]) for field in struct._fields_
            if field[0] not in ("struct_size", "unused")}


def _text(call: Callable[[ctypes.Array[ctypes.c_char], int, Any], int]) -> str:
    """Call until the buffer is large enough: the text may grow in between."""
    capacity, length = 4096, c_uint64()
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        status = call(buffer, capacity, ctypes.byref(length))
        if status != Status.BUFFER_TOO_SMALL:
            _check(status)
            return buffer.value.decode(errors="replace")
        capacity = length.value + 1


# -- the library --

def version() -> str:
    text: bytes = _library.akv_version_string()
    return text.decode()


def has(feature: int) -> bool:
    return bool(_library.akv_has(_unsigned("feature", feature)))


# -- caches --

def cache_create(**config: int) -> int:
    """A new cache's handle; the keywords are fields of akv_cache_config."""
    struct = CacheConfig(struct_size=ctypes.sizeof(CacheConfig),
                         **{name: _unsigned(name, value) for name, value in config.items()})
    cache = c_void_p()
    _check(_library.akv_cache_create(struct, ctypes.byref(cache)))
    return cache.value or 0


def cache_destroy(cache: int) -> None:
    _check(_library.akv_cache_destroy(cache))


def cache_read_state(cache: int) -> Dict[str, int]:
    state = CacheState(struct_size=ctypes.sizeof(CacheState))
    _check(_library.akv_cache_read_state(cache, state))
    return _fields(state)


def report_dump(cache: int) -> str:
    return _text(lambda *out: _library.akv_report_dump(cache, *out))


def report_block_map(cache: int, columns: int) -> str:
    columns = _unsigned("columns", columns)
    return _text(lambda *out: _library.akv_report_block_map(cache, columns, *out))


# -- sequences --

def sequence_create(cache: int, tokens: Iterable[int], **options: int) -> Dict[str, int]:
    """The keywords are 32-bit fields of akv_sequence_options."""
    ids = _token_array(tokens)
    prompt = Prompt(struct_size=ctypes.sizeof(Prompt), num_tokens=len(ids),
                    tokens=ctypes.cast(ids, POINTER(c_int32)))
    struct = SequenceOptions(struct_size=ctypes.sizeof(SequenceOptions),
                             **{name: _unsigned(name, value) for name, value in options.items()})
    created = Created(struct_size=ctypes.sizeof(Created))
    _check(_library.akv_sequence_create(cache, prompt, struct, created))
    return _fields(created)


def sequence_append(cache: int, sequence: int, tokens: Iterable[int]) -> None:
    ids = _token_array(tokens)
    _check(_library.akv_sequence_append(cache, sequence, ids, len(ids), 0, None))


def sequence_commit(cache: int, sequence: int, length: int) -> None:
    _check(_library.akv_sequence_commit(cache, sequence, _unsigned("length", length), 0))


def sequence_read_info(cache: int, sequence: int) -> Dict[str, int]:
    info = SequenceInfo(struct_size=ctypes.sizeof(SequenceInfo))
    _check(_library.akv_sequence_read_info(cache, sequence, info))
    return _fields(info)


def sequence_read_blocks(cache: int, sequence: int) -> List[int]:
    capacity, count = 64, c_uint32()
    while True:
        blocks = (c_int32 * capacity)()
        status = _library.akv_sequence_read_blocks(cache, sequence, 0, blocks, capacity, ctypes.byref(count))
        if status != Status.BUFFER_TOO_SMALL:
            _check(status)
            return blocks[:count.value]
        capacity = count.value


def sequence_free(cache: int, sequence: int) -> None:
    _check(_library.akv_sequence_free(cache, sequence))
