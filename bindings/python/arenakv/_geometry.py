"""_geometry.py: what a block is in bytes: planes, and the layers that have them. Numbers only.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Optional, Tuple

from . import _native
from ._enums import DType, Format, Role, Scaling
from ._native import structs as s


@dataclass(frozen=True)
class Plane:
    """One plane of a layer: heads x dim elements for each token, and scales beside them where the dtype wants some."""

    role: Role
    dtype: DType
    kv_heads: int
    head_dim: int
    scale_bytes: int = 0
    scaling: Scaling = Scaling.NONE


@dataclass(frozen=True)
class Geometry:
    """The layers of a cache: so many, each with these planes."""

    layers: int
    planes: Tuple[Plane, ...]
    query_heads: int = 0  # 0: not told

    @staticmethod
    def of(layers: int, kv_heads: int, head_dim: int, dtype: DType = DType.F16, *, value_head_dim: int = 0,
           query_heads: int = 0) -> Geometry:
        """Keys and values in `dtype`. Query heads are told for reports only."""
        keys = Plane(Role.KEYS, dtype, kv_heads, head_dim)
        values = Plane(Role.VALUES, dtype, kv_heads, value_head_dim or head_dim)
        return Geometry(layers, (keys, values), query_heads)

    def choose(self, format: Format, block_tokens: int = 16) -> Geometry:
        """The same planes kept as something else: quantized, with their scales (akv_planes_choose)."""
        planes = _planes(self.planes)
        _native.check(_native.lib.akv_planes_choose(planes, len(planes), _native.size(s.Plane), format,
                                                    _native.unsigned("block_tokens", block_tokens)))
        return replace(self, planes=tuple(_plane(plane) for plane in planes))


def _planes(planes: Tuple[Plane, ...]) -> Any:
    array = _native.array(s.Plane, len(planes))
    for struct, plane in zip(array, planes):
        for name, value in vars(plane).items():
            setattr(struct, name, _native.unsigned(name, value))
    return array


def _plane(struct: Any) -> Plane:
    return Plane(Role(struct.role), DType(struct.dtype), struct.kv_heads, struct.head_dim, struct.scale_bytes,
                 Scaling(struct.scaling))


def group_of(geometry: Geometry) -> Tuple[Any, Any]:
    """A layer group as C has it, and the planes that it points to."""
    planes = _planes(geometry.planes)
    group = s.LayerGroup(rule=1, num_layers=_native.unsigned("layers", geometry.layers), num_planes=len(planes),
                         plane_size=_native.size(s.Plane), planes=_native.address(planes),
                         query_heads=_native.unsigned("query_heads", geometry.query_heads))
    return group, planes


def read_group(call: Any) -> Geometry:
    """What a function says that fills a layer group and an array of planes."""
    capacity = 64  # more planes a layer can't have
    planes = _native.array(s.Plane, capacity)
    group = s.LayerGroup(plane_size=_native.size(s.Plane))
    _native.check(call(group, _native.size(s.LayerGroup), planes, capacity))
    return Geometry(group.num_layers, tuple(_plane(plane) for plane in planes[:group.num_planes]), group.query_heads)


@dataclass(frozen=True)
class Shape:
    """A layer group that lives as long as a configuration which points to it."""

    group: Any
    planes: Any

    @staticmethod
    def of(geometry: Optional[Geometry]) -> Optional[Shape]:
        return None if geometry is None else Shape(*group_of(geometry))
