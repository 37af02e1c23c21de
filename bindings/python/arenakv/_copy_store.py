"""_copy_store.py: what moves bytes between a store and arrays, and between stores: `store.copy`.

Arrays are read or written where they lie. On a stream with workers the call returns at once, and the stream keeps the
arrays until it has passed the work; without a stream the work is done when the call returns.
"""
from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Iterable, List, Mapping, Optional, Sequence, Tuple

from . import _native
from ._enums import DType, Scaling
from ._errors import Status, make_error
from ._geometry import Plane
from ._native import byte_structs as b
from ._native import structs as s
from ._state import PlanRecord
from ._stream import Stream, on

if TYPE_CHECKING:
    from ._store import Store

lib, unsigned = _native.lib, _native.unsigned

_VERIFY = 1
RUN_ORDERED, RUN_VERIFY, RUN_FINISH = 1, 2, 4
# What an array of NumPy's or torch's holds.
_NUMBERS = {"<f4": DType.F32, "<f2": DType.F16, "bf16": DType.BF16}
_CODES = {DType.BF16: "<u2", DType.F8_E4M3: "|u1", DType.I8: "|i1", DType.I4: "|u1"}


@dataclass(frozen=True)
class Span:
    """Tokens `first_token` .. of these blocks, in some layers, and the packed array that they are gathered into or
    scattered from: [layer][plane][token][head][dim], scales behind their plane's elements; with a `dtype` numbers of
    that type alone. `num_layers` 0: all from the first on."""

    blocks: Iterable[int]
    num_tokens: int
    data: Any
    first_token: int = 0
    first_layer: int = 0
    num_layers: int = 0
    dtype: Optional[DType] = None
    head_scales: Any = None


class StoreCopy:
    """Everything that moves bytes of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write_tokens(self, layer: int, slots: Iterable[int], planes: Mapping[int, Any], *,
                     scales: Optional[Mapping[int, Any]] = None, stream: Optional[Stream] = None) -> None:
        """K/V of tokens of one layer to their slots, as a slot mapping has them; a negative one is skipped. `planes`
        maps a plane's index to an array [token][head][dim], whose last dimension is packed; numbers of another type
        than the plane's are converted. `scales` are of planes with scales of the caller's, or of SCALING_HEAD."""
        self._tokens(lib.akv_copy_write_tokens, layer, slots, planes, scales or {}, stream, False)

    def read_tokens(self, layer: int, slots: Iterable[int], planes: Mapping[int, Any], *,
                    scales: Optional[Mapping[int, Any]] = None, stream: Optional[Stream] = None) -> None:
        """The other way: tokens of one layer out of their slots, into these arrays."""
        self._tokens(lib.akv_copy_read_tokens, layer, slots, planes, scales or {}, stream, True)

    def _tokens(self, function: Any, layer: int, slots: Iterable[int], planes: Mapping[int, Any],
                scales: Mapping[int, Any], stream: Optional[Stream], into: bool) -> None:
        handle, where = self._store.handle, _native.numbers("q", slots)
        array, keep = _native.array(b.TokenData, len(planes)), []
        for struct, (index, data) in zip(array, planes.items()):
            keep.append(self._token_data(struct, unsigned("plane", index), data, scales.get(index), where.count, into))
        on(stream, keep, lambda queue: function(handle, unsigned("layer", layer), where.address, where.count, array,
                                                len(planes), _native.size(b.TokenData), queue))

    def _token_data(self, struct: Any, index: int, data: Any, scales: Any, count: int, into: bool) -> List[object]:
        if index >= len(self._store.geometry.planes):
            raise make_error(Status.OUT_OF_RANGE, f"plane {index}, there are {len(self._store.geometry.planes)}")
        plane, tensor = self._store.geometry.planes[index], _native.tensor_of(data)
        heads = self._heads(plane)
        struct.plane, struct.dtype = index, _dtype(plane, tensor)
        dim = plane.head_dim // 2 if plane.dtype is DType.I4 and not struct.dtype else plane.head_dim
        strides = _rows(tensor, count, heads, dim, into)
        struct.data, struct.token_stride, struct.head_stride = tensor.address, *strides
        keep = [tensor.keep]
        if scales is not None:
            given = packed(scales, "scales", into and not struct.dtype)
            wanted = heads * 4 if struct.dtype else count * plane.scale_bytes
            if given.bytes < wanted or (struct.dtype and given.type != "<f4"):
                raise make_error(Status.OUT_OF_RANGE, f"scales of plane {index} are {given.bytes} bytes of "
                                 f"{given.type}, must be {wanted}{' of <f4' if struct.dtype else ''}")
            struct.scales = given.address
            keep.append(given.keep)
        return keep

    def _heads(self, plane: Plane) -> int:
        chosen = self._store.info().num_heads
        return chosen if chosen and plane.kv_heads > 1 else plane.kv_heads

    def gather(self, spans: Iterable[Span], *, stream: Optional[Stream] = None) -> None:
        """Spans of sequences, each into its packed array."""
        self._spans(lib.akv_copy_gather, spans, stream, True)

    def scatter(self, spans: Iterable[Span], *, stream: Optional[Stream] = None) -> None:
        """Packed arrays into spans of sequences: whole blocks of their own."""
        self._spans(lib.akv_copy_scatter, spans, stream, False)

    def _spans(self, function: Any, spans: Iterable[Span], stream: Optional[Stream], into: bool) -> None:
        handle, given = self._store.handle, list(spans)
        array, keep = _native.array(b.Span, len(given)), []
        for struct, span in zip(array, given):
            blocks, data = _native.numbers("i", span.blocks), packed(span.data, "a span's data", into)
            scales = None if span.head_scales is None else _native.numbers("f", span.head_scales)
            struct.blocks, struct.num_blocks = blocks.address, blocks.count
            for name in ("first_token", "num_tokens", "first_layer", "num_layers"):
                setattr(struct, name, unsigned(name, getattr(span, name)))
            struct.dtype, struct.data, struct.bytes = span.dtype or 0, data.address, data.bytes
            if scales is not None:
                self._check_scales(span, scales.count)
                struct.head_scales = scales.address
            keep.append((blocks, data, scales))
        on(stream, keep, lambda queue: function(handle, array, len(given), _native.size(b.Span), queue))

    def _check_scales(self, span: Span, count: int) -> None:
        layers = span.num_layers or self._store.info().num_layers
        wanted = layers * self._heads_of_all()
        if count < wanted:
            raise make_error(Status.OUT_OF_RANGE, f"head_scales has {count} elements, must have {wanted}")

    def _heads_of_all(self) -> int:
        return sum(self._heads(plane) for plane in self._store.geometry.planes)

    def zero(self, blocks: Iterable[int], *, stream: Optional[Stream] = None) -> None:
        """Zero whole blocks, in all layers and planes."""
        handle, given = self._store.handle, _native.numbers("i", blocks)
        on(stream, given, lambda queue: lib.akv_copy_zero(handle, given.address, given.count, queue))

    def blocks(self, blocks: Iterable[int], target: Store, target_blocks: Iterable[int], *, verify: bool = False,
               stream: Optional[Stream] = None) -> None:
        """Whole blocks of this store to blocks of `target`: the layers and heads that both have, whatever their
        layouts. `verify` compares them afterwards."""
        source, goal = self._pairs(blocks, target_blocks)
        handles = self._store.handle, target.handle
        on(stream, (source, goal), lambda queue: lib.akv_copy_blocks(
            handles[0], source.address, handles[1], goal.address, goal.count, _VERIFY if verify else 0, queue))

    def converted(self, blocks: Iterable[int], target: Store, target_blocks: Iterable[int], *, scales: Any = None,
                  target_scales: Any = None, stream: Optional[Stream] = None) -> None:
        """The same where the two stores keep their K/V as something else: requantized, or read back into numbers.
        Scales are of planes with SCALING_HEAD: [layer][plane][head]."""
        source, goal = self._pairs(blocks, target_blocks)
        handles = self._store.handle, target.handle
        given = [None if one is None else _native.numbers("f", one) for one in (scales, target_scales)]
        for one, store in zip(given, (self._store, target)):
            wanted = store.info().num_layers * store.copy._heads_of_all()
            if one is not None and one.count < wanted:
                raise make_error(Status.OUT_OF_RANGE, f"scales have {one.count} elements, must have {wanted}")
        places = [None if one is None else one.address for one in given]
        on(stream, (source, goal, given), lambda queue: lib.akv_copy_converted(
            handles[0], source.address, places[0], handles[1], goal.address, places[1], goal.count, queue))

    def _pairs(self, blocks: Iterable[int], target_blocks: Iterable[int]) -> Tuple[_native.Numbers, _native.Numbers]:
        source, goal = _native.numbers("i", blocks), _native.numbers("i", target_blocks)
        if source.count != goal.count:
            raise make_error(Status.INVALID_ARGUMENT, f"{source.count} blocks to {goal.count}: must be as many")
        return source, goal

    def records(self, records: Sequence[PlanRecord], others: Iterable[Store] = (), *, verify: bool = False,
                stream: Optional[Stream] = None) -> None:
        """Run a plan's records that came from elsewhere, on this store and `others`: the process that has the bytes
        needs no cache."""
        array, stores = _native.array(s.PlanRecord, len(records)), _native.object_list(
            [self._store.handle, *(store.handle for store in others)])
        for struct, record in zip(array, records):
            for field in fields(record):
                setattr(struct, field.name, getattr(record, field.name))
        on(stream, stores, lambda queue: lib.akv_copy_records(
            array, len(records), stores.address, stores.count, RUN_VERIFY if verify else 0, queue))


def packed(data: Any, name: str, into: bool) -> _native.Tensor:
    """An array that lies together, and may be written to if it is to be filled."""
    tensor = _native.tensor_of(data)
    if not tensor.packed or (into and tensor.read_only):
        what = "read-only" if into and tensor.read_only else "not packed"
        raise make_error(Status.INVALID_ARGUMENT, f"{name} is {what}")
    return tensor


def _dtype(plane: Plane, tensor: _native.Tensor) -> int:
    """0: elements as they are; else the numbers that are converted."""
    number = _NUMBERS.get(tensor.type)
    if number is plane.dtype and plane.scaling is Scaling.NONE:
        return 0
    if number is not None:
        return number
    if tensor.type in (_CODES.get(plane.dtype), "f8" if plane.dtype is DType.F8_E4M3 else None) or (
            tensor.type in ("|u1", "|i1") and plane.dtype not in (DType.F32, DType.F16, DType.BF16)):
        return 0
    raise make_error(Status.INVALID_ARGUMENT, f"an array of {tensor.type} is neither numbers nor {plane.dtype.name}")


def _rows(tensor: _native.Tensor, count: int, heads: int, dim: int, into: bool) -> Tuple[int, int]:
    """Strides of tokens and heads of an array [token][head][dim] or [token][head x dim]."""
    shape, strides = tensor.shape, tensor.strides
    good = shape[1:] in ((heads, dim), (heads * dim,)) and shape[0] >= count and not (into and tensor.read_only)
    element = {"bf16": 2, "f8": 1}.get(tensor.type) or int(tensor.type[2:])
    if not good or (strides[-1] != element and shape[-1] > 1) or (count > 1 and strides[0] == 0):
        raise make_error(Status.INVALID_ARGUMENT, f"an array of shape {shape}, strides {strides}"
                         f"{', read-only' if tensor.read_only else ''} for {count} tokens of {heads} x {dim} elements")
    head = strides[1] if len(shape) == 3 else dim * element
    if head == 0 and heads > 1:
        raise make_error(Status.INVALID_ARGUMENT, "heads that lie over each other")
    return strides[0], head
