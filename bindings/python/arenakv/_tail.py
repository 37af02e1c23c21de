"""_tail.py: two tiers of precision: the last tokens of each sequence in numbers, all before them quantized.

A sequence's way is told in include/arenakv/two_tier.h. What moves bytes between the tiers is under `copy`.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterable, List, Optional

from . import _native
from ._byte_state import TailInfo
from ._copy_store import packed
from ._enums import UNSET, DType, Layout, Scaling
from ._errors import Status, make_error
from ._managed import Managed
from ._native import byte_structs as b
from ._store import Store
from ._stream import Stream, on

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned


@dataclass(frozen=True)
class Overflow:
    """A row, and the blocks of its sequence in the quantized store; `length` tokens of it have K/V in all layers."""

    row: int
    blocks: Iterable[int]
    length: int
    keep_tokens: Optional[int] = None  # that are not moved; None: the tail's


class Tail(Managed):
    """Rings of blocks beside a quantized store, one row for each sequence that runs; `store` is theirs. close() ends
    that store, too."""

    def __init__(self, store: Store, *, dtype: DType = DType.BF16, tail_tokens: int = 0, slack_tokens: int = 0,
                 max_sequences: int = 0, head_scales: Any = None, layout: Layout = Layout.LAYER_OUTER) -> None:
        scales = None if head_scales is None else _native.numbers("f", head_scales)
        if scales is not None:
            wanted = store.info().num_layers * store.copy._heads_of_all()
            if scales.count < wanted:
                raise make_error(Status.OUT_OF_RANGE, f"head_scales has {scales.count} elements, must have {wanted}")
        config = b.TailConfig(dtype=dtype, tail_tokens=unsigned("tail_tokens", tail_tokens),
                              slack_tokens=unsigned("slack_tokens", slack_tokens),
                              max_sequences=unsigned("max_sequences", max_sequences),
                              head_scales=None if scales is None else scales.address)
        self.quantized, self.store = store, _tail_store(store, config, dtype, layout)
        tail = _native.U64()
        try:
            check(lib.akv_tail_create(store.handle, self.store.handle, config, ref(tail)))
        except BaseException:
            self.store.close()
            raise
        self._own(tail.value, lambda handle: check(lib.akv_tail_destroy(handle)))

    def close(self) -> None:
        super().close()
        self.store.close()

    @property
    def copy(self) -> TailCopy:
        """The calls that move bytes."""
        return TailCopy(self)

    def info(self) -> TailInfo:
        info = b.TailInfo()
        check(lib.akv_tail_read_info(self.handle, info))
        return TailInfo(**_native.values(info))

    def open_row(self, stored_tokens: int = 0) -> int:
        """A row for a sequence whose first tokens, whole blocks, are in the quantized store."""
        row = _native.U64()
        check(lib.akv_tail_open(self.handle, unsigned("stored_tokens", stored_tokens), ref(row)))
        return row.value

    def close_row(self, row: int) -> None:
        check(lib.akv_tail_close(self.handle, row))

    def slots(self, rows: Iterable[int], positions: Iterable[int], out: Any = None) -> Any:
        """Slots in `store` of tokens at these positions, for write_tokens(): into `out` (int64), or as a list."""
        given, where = _native.numbers("Q", rows), _native.numbers("I", positions)
        target = _native.array(_native.I64, given.count) if out is None else out
        place = target if out is None else _native.output("q", "out", out).address
        if where.count != given.count or (out is not None and _native.tensor_of(out).count < given.count):
            raise make_error(Status.INVALID_ARGUMENT, f"{given.count} rows, {where.count} positions: must be as many, "
                             "and `out` have room for them")
        check(lib.akv_tail_read_slots(self.handle, given.address, where.address, given.count, place))
        return target[:] if out is None else out

    def tables(self, rows: Iterable[int], table: Any, stored: Any) -> None:
        """Attention's part over the tail: `table` (int32 [rows][ring_blocks at least]) and, for each row, the tokens
        that are `stored` (uint32) in the quantized store."""
        given, cells, counts = (_native.numbers("Q", rows), _native.output("i", "table", table),
                                _native.output("I", "stored", stored))
        if len(cells.shape) != 2 or cells.shape[0] < given.count or counts.count < given.count:
            raise make_error(Status.INVALID_ARGUMENT, f"table has shape {cells.shape}, stored {counts.count} elements, "
                             f"for {given.count} rows")
        check(lib.akv_tail_read_tables(self.handle, given.address, given.count, cells.address, cells.shape[1],
                                       counts.address))


class TailCopy:
    """Everything that moves bytes between the tiers."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    def overflow(self, rows: Iterable[Overflow], *, stream: Optional[Stream] = None) -> List[int]:
        """Move whole blocks that are older than the tail into the quantized store. Answers, for each row, the tokens
        that are there behind this work."""
        handle, given = self._tail.handle, list(rows)
        array, keep = _overflows(given)
        stored = _native.array(_native.U32, len(given))
        on(stream, keep, lambda queue: lib.akv_copy_overflow(handle, array, len(given), _native.size(b.Overflow),
                                                             stored, queue))
        found: List[int] = stored[:]
        return found

    def read_tiers(self, row: Overflow, data: Any, dtype: DType, *, stream: Optional[Stream] = None) -> None:
        """All K/V of a sequence, from both tiers, as numbers: [layer][plane][token][head][dim]."""
        handle, (array, keep), room = self._tail.handle, _overflows([row]), packed(data, "data", True)
        on(stream, (keep, room), lambda queue: lib.akv_copy_read_tiers(
            handle, array, _native.size(b.Overflow), dtype, room.address, room.bytes, queue))


def _tail_store(store: Store, config: Any, dtype: DType, layout: Layout) -> Store:
    planes = tuple(replace(plane, dtype=dtype, scale_bytes=0, scaling=Scaling.NONE) for plane in store.geometry.planes)
    made = Store.__new__(Store)
    made._adopt(replace(store.geometry, planes=planes),
                lambda out: lib.akv_tail_create_store(store.handle, config, b.StoreConfig(layout=layout), out), None)
    return made


def _overflows(rows: List[Overflow]) -> Any:
    array, keep = _native.array(b.Overflow, len(rows)), []
    for struct, row in zip(array, rows):
        blocks = _native.numbers("i", row.blocks)
        struct.row, struct.blocks, struct.num_blocks = row.row, blocks.address, blocks.count
        struct.length = unsigned("length", row.length)
        struct.keep_tokens = UNSET if row.keep_tokens is None else unsigned("keep_tokens", row.keep_tokens)
        keep.append(blocks)
    return array, keep
