"""_store.py: the bytes of a cache's blocks: where they lie, and views of them. What moves them is under `copy`.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Optional, Union

from . import _native
from ._byte_state import CopyStats, StoreInfo
from ._copy_store import StoreCopy
from ._enums import Columns, DType, Heads, Layout
from ._errors import Status, make_error
from ._geometry import Geometry
from ._managed import Managed
from ._memory import Tracker
from ._native import byte_structs as b
from ._sequence import Sequence
from ._view import View

if TYPE_CHECKING:
    from ._cache import Cache

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned

_SMALL_PAGES = 1


@dataclass(frozen=True)
class Region:
    """Memory of the caller's for one plane of one layer: an array [block][token][head][dim], or
    [block][head][token][dim] with Heads.OUTER; with one head, that dimension may be missing. `scales`: an array
    [block][token][...], for a plane that has some. The first block is the null block."""

    data: Any
    scales: Any = None

    def fill(self, struct: Any, heads: Heads) -> List[object]:
        """Into the struct; what must be kept."""
        tensor = _native.tensor_of(self.data)
        shape, strides = tensor.shape, tensor.strides
        if len(shape) not in (3, 4) or tensor.read_only:
            what = "read-only" if tensor.read_only else f"of {len(shape)} dimensions"
            raise make_error(Status.INVALID_ARGUMENT, f"a region is {what}, must be [block][token][head][dim]")
        element = strides[-1]
        struct.data, struct.bytes, struct.block_stride = tensor.address, tensor.bytes, strides[0]
        if len(shape) == 3:
            struct.token_stride, struct.head_stride = strides[1], shape[2] * element
        else:
            token, head = (1, 2) if heads is Heads.INNER else (2, 1)
            struct.token_stride, struct.head_stride = strides[token], strides[head]
        kept = [tensor.keep]
        if self.scales is not None:
            scales = _native.tensor_of(self.scales)
            struct.scales, struct.scales_bytes = scales.address, scales.bytes
            struct.scales_block_stride, struct.scales_token_stride = scales.strides[:2]
            kept.append(scales.keep)
        return kept


@dataclass(frozen=True)
class RegionInfo:
    """A region as it lies, for kernels that take pointers and strides: akv_region."""

    data: int
    bytes: int
    block_stride: int
    token_stride: int
    head_stride: int
    scales: int
    scales_bytes: int
    scales_block_stride: int
    scales_token_stride: int


class Store(Managed):
    """The bytes of a cache's blocks, as Cache.store() makes it. It keeps the cache's geometry, not the cache.

    Arrays and tensors over it keep its memory: close() ends it for all calls at once, and its memory goes when the last
    view does. Memory of the caller's (`regions`) is kept as long.
    """

    def __init__(self, cache: Cache, *, columns: Columns = Columns.BLOCKS, layout: Layout = Layout.LAYER_OUTER,
                 heads: Heads = Heads.INNER, layers: Iterable[int] = (), first_head: int = 0, num_heads: int = 0,
                 regions: Iterable[Union[Region, Any]] = (), small_pages: bool = False,
                 tracker: Optional[Tracker] = None) -> None:
        chosen, given = _native.numbers("I", layers), list(regions)
        structs, kept = _regions(given, heads)
        config = b.StoreConfig(
            flags=_SMALL_PAGES if small_pages else 0, layout=layout, heads=heads, columns=columns,
            first_head=unsigned("first_head", first_head), num_heads=unsigned("num_heads", num_heads),
            num_layers=chosen.count, layers=chosen.address, num_regions=len(given), region_size=_native.size(b.Region),
            regions=_native.address(structs) if given else None, tracker=None if tracker is None else tracker.handle)
        geometry = cache.geometry()
        if given:
            _check_shapes(geometry, given, heads, num_heads, cache.config().block_tokens)
        self._adopt(geometry, lambda out: lib.akv_store_create(cache.handle, config, out), kept)

    def _adopt(self, geometry: Geometry, create: Callable[[Any], int], kept: Any) -> None:
        store = _native.U64()
        check(create(ref(store)))
        self.geometry = geometry
        # The memory of the caller's lives in this function, and with that as long as the store.
        self._own(store.value, lambda handle, kept=kept: check(lib.akv_store_destroy(handle)))  # type: ignore[misc]

    @property
    def copy(self) -> StoreCopy:
        """The calls that move bytes."""
        return StoreCopy(self)

    def info(self) -> StoreInfo:
        info = b.StoreInfo()
        check(lib.akv_store_read_info(self.handle, info))
        return StoreInfo(**_native.values(info))

    def warm_up(self, progress: Optional[Callable[[int, int], Optional[bool]]] = None) -> None:
        """Touch all memory now. `progress(done, total)` may answer False to stop it: a HostError (CALLBACK)."""
        handle = self.handle
        if progress is None:
            check(lib.akv_store_warm_up(handle, None, None))
        else:
            _native.with_progress(progress, lambda hook: lib.akv_store_warm_up(handle, hook, None))

    def region(self, layer: int, plane: int) -> RegionInfo:
        """One region as it lies. Its addresses are good until the store is closed."""
        region = b.Region()
        check(lib.akv_store_read_region(self.handle, unsigned("layer", layer), unsigned("plane", plane), region,
                                        _native.size(b.Region)))
        return RegionInfo(**{name: value or 0 for name, value in _native.values(region).items()})

    def view(self, layer: int, plane: int, *, writable: bool = False) -> View:
        """A layer's plane over all blocks. Read-only, since blocks are shared, unless you say that you know better."""
        pin, view = self._keeper.pin(), b.View()
        check(lib.akv_store_read_view(self.handle, unsigned("layer", layer), unsigned("plane", plane), view))
        return View(view, pin, not writable)

    def sequence_view(self, sequence: Sequence, layer: int, plane: int, num_tokens: Optional[int] = None) -> View:
        """A sequence's first `num_tokens` tokens (None: all) as one tensor, if they lie in neighbouring blocks
        (SequenceFlag.CONTIGUOUS); else a StateError (NOT_CONTIGUOUS). Read-only if one of its blocks is shared."""
        info = sequence.info()
        tokens = info.length if num_tokens is None else unsigned("num_tokens", num_tokens)
        blocks = _native.numbers("i", sequence.blocks())
        pin, view = self._keeper.pin(), b.View()
        check(lib.akv_store_read_sequence_view(self.handle, unsigned("layer", layer), unsigned("plane", plane),
                                               blocks.address, blocks.count, tokens, view))
        return View(view, pin, info.shared_blocks > 0)

    def check_view(self, view: View) -> None:
        """Is this view still one of this store's? Else a HandleError."""
        check(lib.akv_store_check_view(self.handle, view._struct))

    def span_bytes(self, num_tokens: int, *, first_layer: int = 0, num_layers: int = 0,
                   dtype: Optional[DType] = None) -> int:
        """Bytes of so many tokens when packed: as they are, or as numbers of `dtype`."""
        size = _native.U64()
        check(lib.akv_store_span_bytes(self.handle, unsigned("first_layer", first_layer),
                                       unsigned("num_layers", num_layers), unsigned("num_tokens", num_tokens),
                                       dtype or 0, ref(size)))
        return size.value

    def stats(self) -> List[CopyStats]:
        """What was moved, a line for each kind and direction."""
        return read_stats(lambda *out: lib.akv_store_read_stats(self.handle, *out))


def _regions(given: List[Any], heads: Heads) -> Any:
    structs, kept = _native.array(b.Region, len(given)), []
    for struct, region in zip(structs, given):
        kept.append((region if isinstance(region, Region) else Region(region)).fill(struct, heads))
    return structs, kept


def _check_shapes(geometry: Geometry, given: List[Any], heads: Heads, num_heads: int, block_tokens: int) -> None:
    """A region of another shape, or of other elements, is a mistake that no address would show."""
    for at, region in enumerate(given):
        plane = geometry.planes[at % len(geometry.planes)]
        tensor = _native.tensor_of(region.data if isinstance(region, Region) else region)
        kv_heads = num_heads if num_heads and plane.kv_heads > 1 else plane.kv_heads
        inner = (block_tokens, kv_heads) if heads is Heads.INNER else (kv_heads, block_tokens)
        dim = plane.head_dim // 2 if plane.dtype is DType.I4 else plane.head_dim
        good = tensor.shape[1:] == (*inner, dim) or (kv_heads == 1 and tensor.shape[1:] == (block_tokens, dim))
        element = {DType.F32: 4, DType.F16: 2, DType.BF16: 2}.get(plane.dtype, 1)
        if not good or tensor.strides[-1] != element:
            raise make_error(Status.INVALID_ARGUMENT, f"region {at} has shape {tensor.shape} and elements "
                             f"{tensor.strides[-1]} bytes apart, must be (blocks, {', '.join(map(str, inner))}, {dim}) "
                             f"and {element}")


def read_stats(call: Callable[..., int]) -> List[CopyStats]:
    lines, count = _native.array(b.CopyStats, 64), _native.U32()  # more kinds and directions there are not
    check(call(lines, _native.size(b.CopyStats), 64, ref(count)))
    return [CopyStats(**_native.values(line)) for line in lines[:count.value]]
