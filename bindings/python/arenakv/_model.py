"""_model.py: what a cache must know of a model, models by name, and how much fits into a memory. Numbers only.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Union

from . import _native
from ._byte_state import ModelSizes, PageSize, PlannerResult
from ._enums import AttentionKind, DType, Family, Format
from ._errors import Status, make_error
from ._geometry import Geometry, read_group
from ._native import structs as s

lib, check, unsigned = _native.lib, _native.check, _native.unsigned


@dataclass(frozen=True)
class Model:
    """A model's numbers: akv_model. Query heads are never KV heads: two fields, everywhere."""

    num_layers: int
    query_heads: int
    kv_heads: int
    key_head_dim: int
    dtype: DType = DType.F16
    value_head_dim: int = 0  # 0: as key_head_dim
    latent_dim: int = 0  # MLA
    rope_dim: int = 0  # MLA
    max_context: int = 0
    sliding_window: int = 0
    window_layers: int = 0  # bit l: layer l has the window; 0: every one
    preset: int = 0  # told: its number
    family: Family = Family.OTHER  # told
    attention: int = 0  # AttentionKind; 0: whatever follows from the numbers

    @staticmethod
    def find(name: str) -> Model:
        """The model of this name, "mistral-7b"; case and hyphens don't count. Else a StateError (NOT_FOUND)."""
        model = s.Model()
        check(lib.akv_model_find(_text("name", name), model))
        return _model(model)

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> Model:
        """The model of a config.json's numbers, by their own names (akv_model_fields). `layer_types` is a list; other
        keys that it does not know are passed over, and so is what is null."""
        struct, texts = s.ModelFields(), []
        for name in ("model_type", "torch_dtype"):
            if fields.get(name) is not None:
                texts.append(_native.numbers("B", bytearray(_text(name, fields[name]) + b"\0")))
                setattr(struct, name, texts[-1].address)
        for name, value in _known(fields).items():
            setattr(struct, name, unsigned(name, value))
        _layer_types(struct, fields.get("layer_types"))
        model = s.Model()
        check(lib.akv_model_from_fields(struct, model))
        return _model(model)

    @staticmethod
    def names() -> List[str]:
        """Every model that is known by name."""
        found: List[str] = []
        while name := _native.name_of(lib.akv_model_name, len(found) + 1):
            found.append(name)
        return found

    @property
    def name(self) -> str:
        """Of a preset; else nothing."""
        return _native.name_of(lib.akv_model_name, self.preset)

    def geometry(self, dtype: Optional[DType] = None) -> Geometry:
        """Its layers for a cache: keys and values, or one latent plane."""
        struct = _struct(self)
        return read_group(lambda *out: lib.akv_model_read_group(struct, dtype or 0, *out))

    def sizes(self, num_tokens: int, *, dtype: Optional[DType] = None, num_layers: int = 0) -> ModelSizes:
        """What the K/V of so many tokens take, exactly."""
        sizes = s.ModelSizes()
        check(lib.akv_model_read_sizes(_struct(self), dtype or 0, unsigned("num_layers", num_layers),
                                       unsigned("num_tokens", num_tokens, 64), sizes))
        return ModelSizes(**_native.values(sizes))

    def fit(self, **request: Union[int, DType, Format]) -> PlannerResult:
        """The most blocks that a budget holds. Keywords are fields of akv_planner_request."""
        return self._plan(lib.akv_planner_fit, request)

    def need(self, **request: Union[int, DType, Format]) -> PlannerResult:
        """The memory that num_sequences sequences of context_tokens take."""
        return self._plan(lib.akv_planner_need, request)

    def _plan(self, function: Any, request: Mapping[str, int]) -> PlannerResult:
        result = s.PlannerResult()
        check(function(_struct(self), _request(request), result))
        return PlannerResult(**_native.values(result))

    def page_size(self, **request: int) -> PageSize:
        """A page that holds any one tensor of a sequence at context_tokens."""
        size = s.PageSize()
        check(lib.akv_planner_page_size(_struct(self), _request(request), size))
        return PageSize(**_native.values(size))


def detect_kv_heads(key_projection_rows: int, head_dim: int, query_heads: int = 0) -> int:
    """KV heads from dimensions alone: rows of the key projection / head_dim."""
    heads = _native.U32()
    check(lib.akv_model_detect_kv_heads(unsigned("key_projection_rows", key_projection_rows, 64),
                                        unsigned("head_dim", head_dim), unsigned("query_heads", query_heads),
                                        _native.ref(heads)))
    return heads.value


def family_name(family: int) -> str:
    return _native.name_of(lib.akv_family_name, unsigned("family", family))


def attention_name(attention: int) -> str:
    return _native.name_of(lib.akv_attention_name, unsigned("attention", attention))


def _text(name: str, value: str) -> bytes:
    text = value.encode()
    if b"\0" in text:
        raise make_error(Status.INVALID_ARGUMENT, f"{name} has a null byte")
    return text


def _words(value: int) -> Any:
    return [value >> 64 * word & (1 << 64) - 1 for word in range(4)]


def _struct(model: Model) -> Any:
    struct = s.Model()
    for name, value in vars(model).items():
        if name == "window_layers":
            struct.window_layers[:] = _words(unsigned(name, value, 256))
        else:
            setattr(struct, name, unsigned(name, value))
    return struct


def _model(struct: Any) -> Model:
    numbers = _native.values(struct)
    numbers["window_layers"] = sum(word << 64 * at for at, word in enumerate(struct.window_layers))
    return Model(**{**numbers, "dtype": DType(struct.dtype), "family": Family(struct.family),
                    "attention": AttentionKind(struct.attention)})


def _known(fields: Mapping[str, Any]) -> Mapping[str, int]:
    """The plain numbers that the struct has too. use_sliding_window has three states."""
    names = {name for name, *_ in s.ModelFields._fields_} - {"struct_size", "unused", "model_type", "torch_dtype",
                                                             "sliding_layers", "use_sliding_window"}
    numbers = {name: int(fields[name]) for name in names if fields.get(name) is not None}
    if fields.get("use_sliding_window") is not None:
        numbers["use_sliding_window"] = 2 if fields["use_sliding_window"] else 1
    return numbers


def _layer_types(struct: Any, types: Optional[List[str]]) -> None:
    if types is None:
        return
    sliding = sum(1 << at for at, kind in enumerate(types) if kind in ("sliding_attention", "chunked_attention"))
    struct.num_layer_types = len(types)
    struct.sliding_layers[:] = _words(unsigned("layer_types", sliding, 256))
    struct.num_other_layers = sum(kind not in ("sliding_attention", "chunked_attention", "full_attention")
                                  for kind in types)


def _request(fields: Mapping[str, int]) -> Any:
    known = {name: 64 if kind is _native.U64 else 32 for name, kind, *_ in s.PlannerRequest._fields_}
    for name in fields:
        if name not in known or name in ("struct_size", "unused"):
            raise TypeError(f"unknown keyword {name}")
    return s.PlannerRequest(**{name: unsigned(name, value, known[name]) for name, value in fields.items()})
