"""_arenas.py: the small layer for those who want K/V tensors and nothing else: a manager, an arena for each sequence,
and a KV cache of contiguous tensors that grow in place. It is made of PagePool, Arena and Tensor.

Tensors are torch's on the host (torch is imported when the first one is asked for), views of anything else's.
"""
from __future__ import annotations

from types import TracebackType
from typing import Any, List, Optional, Type, Union

from . import _native
from ._byte_state import ArenaInfo, PagePoolState
from ._enums import Content, DType
from ._errors import Status, make_error
from ._geometry import Geometry, Plane
from ._model import Model
from ._pool import Arena, PagePool, Tensor
from ._view import View

_ELEMENT = {DType.F32: 4, DType.F16: 2, DType.BF16: 2, DType.F8_E4M3: 1, DType.I8: 1}
_ROUND = 256


class ArenaKVCacheManager:
    """A pool of pages for a model's K/V, and a sequence arena for each request.

    `model` is a name, a Model, or a Geometry. A page holds any one tensor of a sequence of `max_tokens` tokens, so
    `num_sequences` whole sequences fit.
    """

    def __init__(self, model: Union[str, Model, Geometry], *, max_tokens: int = 4096, num_sequences: int = 16,
                 dtype: Optional[DType] = None, prefault: bool = False) -> None:
        self.geometry = _geometry(model, dtype)
        self.max_tokens = _native.integer("max_tokens", max_tokens, 1, (1 << 31) - 1)
        tensors = self.geometry.layers * len(self.geometry.planes)
        largest = max(_token_bytes(plane) for plane in self.geometry.planes) * max_tokens
        page_bytes = -(-largest // _ROUND) * _ROUND
        sequences = _native.integer("num_sequences", num_sequences, 1, 1 << 20)
        self.pool = PagePool(page_bytes=page_bytes, num_pages=tensors * sequences, max_arenas=max(sequences, 16),
                             prefault=prefault)

    def create_sequence_arena(self, owner: int = 0) -> SequenceArena:
        """An arena for one request; `owner` is its trust domain."""
        return SequenceArena(self, self.pool.arena_create(owner))

    def state(self) -> PagePoolState:
        """What is in use, and how much of it was recycled."""
        return self.pool.state()

    def close(self) -> None:
        self.pool.close()

    def __enter__(self) -> ArenaKVCacheManager:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.pool.__exit__(kind, error, trace)


class SequenceArena:
    """The memory of one request: drop() gives all of it back at once, whatever is in it."""

    def __init__(self, manager: ArenaKVCacheManager, arena: Arena) -> None:
        self.manager, self.arena = manager, arena

    def create_cache(self, max_tokens: Optional[int] = None) -> ArenaKVCache:
        """Keys and values of all layers for so many tokens (None: the manager's), all or none."""
        return ArenaKVCache(self, self.manager.max_tokens if max_tokens is None else max_tokens)

    def info(self) -> ArenaInfo:
        return self.arena.info()

    def drop(self) -> None:
        self.arena.drop()

    def __enter__(self) -> SequenceArena:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.arena.__exit__(kind, error, trace)


class ArenaKVCache:
    """Keys and values of one sequence: a tensor [token][head][dim] for each layer and plane, which grows in place: a
    tensor that was taken before stays where it is. What moves bytes is under `copy`."""

    def __init__(self, arena: SequenceArena, max_tokens: int) -> None:
        self.geometry = arena.manager.geometry
        self.max_tokens = _native.integer("max_tokens", max_tokens, 1, arena.manager.max_tokens)
        self._rows = [_token_bytes(plane) for plane in self.geometry.planes]
        sizes = [row * max_tokens for _ in range(self.geometry.layers) for row in self._rows]
        self._tensors: List[Tensor] = arena.arena.tensors(sizes)
        self._length = 0
        for tensor in self._tensors:
            if tensor.content is Content.FOREIGN:
                tensor.copy.zero()  # another owner's K/V are nobody's to read

    def __len__(self) -> int:
        """Tokens that have room; the same in all layers."""
        return self._length

    def extend(self, num_tokens: int) -> int:
        """Room for more tokens in all layers: one update of a length each, and no byte moves. Answers the position of
        the first. Beyond max_tokens it is a NoRoomError (NO_CAPACITY), and nothing has changed."""
        count = _native.unsigned("num_tokens", num_tokens)
        if self._length + count > self.max_tokens:
            raise make_error(Status.NO_CAPACITY, f"requested {self._length + count} tokens, at most {self.max_tokens}",
                             self._length + count, self.max_tokens)
        for at, tensor in enumerate(self._tensors):
            tensor.extend(count * self._rows[at % len(self._rows)])
        first, self._length = self._length, self._length + count
        return first

    def view(self, layer: int, plane: int) -> View:
        """The tokens of one plane: for numpy.asarray(), or anything that reads DLPack."""
        kind = self.geometry.planes[_native.integer("plane", plane, 0, len(self._rows) - 1)]
        shape = (self._length, kind.kv_heads, kind.head_dim)
        return self._tensor(layer, plane).view(kind.dtype, shape)

    def keys(self, layer: int) -> Any:
        """The keys as a torch tensor over the same memory."""
        return self.view(layer, 0).torch()

    def values(self, layer: int) -> Any:
        """The values as a torch tensor over the same memory."""
        return self.view(layer, 1).torch()

    @property
    def copy(self) -> ArenaKVCacheCopy:
        """The calls that move bytes."""
        return ArenaKVCacheCopy(self)

    def _tensor(self, layer: int, plane: int) -> Tensor:
        layer = _native.integer("layer", layer, 0, self.geometry.layers - 1)
        return self._tensors[layer * len(self._rows) + plane]


class ArenaKVCacheCopy:
    """Everything that moves a cache's bytes."""

    def __init__(self, cache: ArenaKVCache) -> None:
        self._cache = cache

    def update(self, layer: int, first: int, keys: Any, values: Any) -> None:
        """K/V of the tokens from position `first` on, which extend() has made room for: packed arrays
        [token][head][dim] of the cache's dtype, NumPy's or torch's."""
        for plane, data in enumerate((keys, values)):
            tensor, row = _native.tensor_of(data), self._cache._rows[plane]
            kind = self._cache.geometry.planes[plane]
            if tensor.shape[1:] != (kind.kv_heads, kind.head_dim) or tensor.bytes != tensor.shape[0] * row:
                raise make_error(Status.INVALID_ARGUMENT, f"an array of shape {tensor.shape} and {tensor.bytes} bytes, "
                                 f"must be [token][{kind.kv_heads}][{kind.head_dim}] of {kind.dtype.name}")
            self._cache._tensor(layer, plane).copy.write(data, _native.unsigned("first", first) * row)


def _geometry(model: Union[str, Model, Geometry], dtype: Optional[DType]) -> Geometry:
    if isinstance(model, Geometry):
        return model
    return (Model.find(model) if isinstance(model, str) else model).geometry(dtype)


def _token_bytes(plane: Plane) -> int:
    if plane.dtype not in _ELEMENT:
        raise make_error(Status.UNSUPPORTED, f"tensors of {plane.dtype.name}: elements must be whole bytes")
    return plane.kv_heads * plane.head_dim * _ELEMENT[plane.dtype]
