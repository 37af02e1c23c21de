"""_attention.py: attention of new tokens over what stores hold, where it lies: nothing is copied.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, List, Optional

from . import _native
from ._copy_store import packed
from ._enums import DType, Role
from ._errors import Status, make_error
from ._native import byte_structs as b
from ._stream import Stream, on

if TYPE_CHECKING:
    from ._store import Store

lib, unsigned = _native.lib, _native.unsigned

_NUMBERS = {"<f4": DType.F32, "<f2": DType.F16, "bf16": DType.BF16}


@dataclass(frozen=True)
class Part:
    """A stretch of every sequence's tokens in one store: `block_table` (int32 [sequence][...]; one dimension: the same
    for all), and how many tokens each has here."""

    store: Store
    block_table: Any
    lengths: Iterable[int]
    first_positions: Optional[Iterable[int]] = None
    key_scales: Any = None
    value_scales: Any = None


def attention_decode(layer: int, query: Any, out: Any, parts: Iterable[Part], *, scale: float = 0.0,
                     soft_cap: float = 0.0, window: int = 0, sink_tokens: int = 0, sink_logits: Any = None,
                     positions: Optional[Iterable[int]] = None, value_dim: int = 0, log_sums: Any = None,
                     dtype: Optional[DType] = None, stream: Optional[Stream] = None) -> None:
    """Attend: `query` [sequence][query][query head][head_dim] over the parts' tokens, into `out`, which has the values'
    dim. All queries of a sequence see all of its tokens. Arrays are packed, of float32, float16 or bfloat16 (as uint16
    in NumPy: say `dtype`). `log_sums` (float32 [sequence][query][query head]) is for attention_merge()."""
    given, keep = list(parts), list[object]()
    asked, got = packed(query, "query", False), packed(out, "out", True)
    if len(asked.shape) != 4 or asked.shape[:3] != got.shape[:3]:
        raise make_error(Status.INVALID_ARGUMENT, f"query has shape {asked.shape}, out {got.shape}: must be [sequence]"
                         "[query][query head][dim]")
    _check_dims(given, asked, got, value_dim)
    struct = b.Attention(layer=unsigned("layer", layer), num_sequences=asked.shape[0], num_queries=asked.shape[1],
                         query_heads=asked.shape[2], dtype=_dtype(asked, dtype), value_dim=unsigned("dim", value_dim),
                         query=asked.address, out=got.address, scale=scale, soft_cap=soft_cap,
                         window=unsigned("window", window), sink_tokens=unsigned("sink_tokens", sink_tokens))
    _dtype(got, dtype, struct.dtype)
    rows = asked.shape[0] * asked.shape[1] * asked.shape[2]
    struct.log_sums = _optional(keep, "f", "log_sums", log_sums, rows, True)
    struct.sink_logits = _optional(keep, "f", "sink_logits", sink_logits, asked.shape[2], False)
    struct.positions = _optional(keep, "I", "positions", positions, asked.shape[0], False)
    array = _parts(given, keep, asked.shape[0])
    struct.parts, struct.num_parts, struct.part_size = _native.address(array), len(given), _native.size(b.AttentionPart)
    on(stream, (asked, got, keep, array), lambda queue: lib.akv_attention_decode(struct, queue))


def attention_merge(a: Any, a_log_sums: Any, b_: Any, b_log_sums: Any, out: Any, out_log_sums: Any = None, *,
                    dtype: Optional[DType] = None, stream: Optional[Stream] = None) -> None:
    """Results of the same queries over two halves of the tokens become that over all of them. `out` may be either."""
    first, second, got = packed(a, "a", False), packed(b_, "b", False), packed(out, "out", True)
    if not first.shape or not first.shape == second.shape == got.shape:
        raise make_error(Status.INVALID_ARGUMENT, f"shapes {first.shape}, {second.shape}, {got.shape} differ")
    dim, kind, keep = first.shape[-1], _dtype(first, dtype), list[object]()
    _dtype(second, dtype, kind), _dtype(got, dtype, kind)
    rows = first.count // dim if dim else 0
    sums = [_optional(keep, "f", "log_sums", one, rows, False) for one in (a_log_sums, b_log_sums)]
    total = _optional(keep, "f", "out_log_sums", out_log_sums, rows, True)
    on(stream, (first, second, got, keep), lambda queue: lib.akv_attention_merge(
        first.address, sums[0], second.address, sums[1], got.address, total, rows, dim, kind, queue))


def _dtype(tensor: _native.Tensor, told: Optional[DType], wanted: int = 0) -> int:
    kind = told if told is DType.BF16 and tensor.type == "<u2" else _NUMBERS.get(tensor.type)
    if kind is None or wanted not in (0, kind):
        raise make_error(Status.INVALID_ARGUMENT, f"an array of {tensor.type}: must be float32, float16 or bfloat16, "
                         "and all of the same")
    return kind


def _check_dims(parts: List[Part], asked: _native.Tensor, got: _native.Tensor, value_dim: int) -> None:
    """Arrays of other dims than the store's would be read beyond their ends."""
    for part in parts:
        planes = {plane.role: plane for plane in part.store.geometry.planes}
        latent = planes.get(Role.LATENT)
        keys, values = latent or planes.get(Role.KEYS), latent or planes.get(Role.VALUES)
        if keys is None or values is None:
            raise make_error(Status.UNSUPPORTED, "planes that are neither keys and values nor one latent")
        dims = keys.head_dim, value_dim if latent else values.head_dim
        if (asked.shape[3], got.shape[3]) != dims:
            raise make_error(Status.INVALID_ARGUMENT, f"query and out have dims {asked.shape[3]} and {got.shape[3]}, "
                             f"must be {dims[0]} and {dims[1]}")


def _optional(keep: List[object], code: str, name: str, values: Any, count: int, into: bool) -> Optional[int]:
    if values is None:
        return None
    found = _native.output(code, name, values) if into else _native.numbers(code, values)
    if found.count < count:
        raise make_error(Status.OUT_OF_RANGE, f"{name} has {found.count} elements, must have {count}")
    keep.append(found.keep)
    return found.address


def _parts(parts: List[Part], keep: List[object], sequences: int) -> Any:
    array = _native.array(b.AttentionPart, len(parts))
    for struct, part in zip(array, parts):
        table = _native.tensor_of(part.block_table)
        if table.type != "<i4" or len(table.shape) not in (1, 2) or (len(table.shape) == 2 and
                                                                     table.shape[0] < sequences):
            raise make_error(Status.INVALID_ARGUMENT, f"block_table is {table.type} of shape {table.shape}: must be "
                             f"int32 [{sequences} sequences][blocks]")
        if not table.packed:
            raise make_error(Status.INVALID_ARGUMENT, "block_table is not packed")
        lengths = _native.numbers("I", part.lengths)
        _check_room(part, table, lengths, sequences)
        struct.store, struct.block_table = part.store.handle, table.address
        struct.table_stride = table.shape[1] if len(table.shape) == 2 else 0
        struct.lengths = lengths.address
        keep += [table.keep, lengths.keep]
        struct.first_positions = _optional(keep, "I", "first_positions", part.first_positions, sequences, False)
        heads = part.store.geometry.planes[0].kv_heads
        struct.key_scales = _optional(keep, "f", "key_scales", part.key_scales, heads, False)
        struct.value_scales = _optional(keep, "f", "value_scales", part.value_scales, heads, False)
    return array


def _check_room(part: Part, table: _native.Tensor, lengths: _native.Numbers, sequences: int) -> None:
    """Rows must have a block for every token: C reads as far as the lengths say."""
    if lengths.count < sequences:
        raise make_error(Status.OUT_OF_RANGE, f"lengths has {lengths.count} elements, must have {sequences}")
    longest = max(_native.unsigned_of(lengths), default=0)
    room = table.shape[-1] * part.store.info().block_tokens
    if longest > room:
        raise make_error(Status.OUT_OF_RANGE, f"a length of {longest} tokens, and a row of the table has room for "
                         f"{room}")
