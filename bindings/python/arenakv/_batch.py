"""_batch.py: one call per step for a whole batch, and the tables that kernels read.

All arrays are the caller's, and nobody copies them: what a Batch or Tables was made with is read and written in place
at each call. Made once, a step costs one call into C. It knows no K/V byte.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Union

from . import _native
from ._errors import Status, make_error
from ._native import structs as s
from ._plan import Plan, Ticket
from ._sequence import Sequence, plan_of

if TYPE_CHECKING:
    from ._cache import Cache

lib, check, unsigned = _native.lib, _native.check, _native.unsigned

# Sequences as one passes them: objects, handles, or an array of uint64 handles that is read in place.
Sequences = Iterable[Union[Sequence, int]]


def handles_of(sequences: Sequences) -> _native.Numbers:
    if isinstance(sequences, (list, tuple)):
        return _native.numbers("Q", [one.handle if isinstance(one, Sequence) else one for one in sequences])
    return _native.numbers("Q", sequences)


class Tables:
    """Where a step writes: packed arrays of NumPy, torch (host) or the buffer protocol. None: not asked for.

    `slot_mapping` and `positions` (int64) have an element for each query token; `query_start_loc`, `kv_indptr` (int32,
    one more than there are sequences), `kv_indices` and `kv_last_page_len` (int32) are FlashInfer's; `block_table`
    (int32, two-dimensional), `first_positions`, `seq_lens` (int32) and `row_of` (uint32) have a row for each sequence.
    With `keep_rows` rows that stay in place are only added to: call forget_rows() when the buffer's contents changed.
    """

    def __init__(self, *, slot_mapping: Any = None, positions: Any = None, query_start_loc: Any = None,
                 kv_indptr: Any = None, kv_indices: Any = None, kv_last_page_len: Any = None, block_table: Any = None,
                 first_positions: Any = None, seq_lens: Any = None, row_of: Any = None, keep_rows: bool = False,
                 pad_block: int = 0, padded_slots: int = 0, padded_sequences: int = 0) -> None:
        self.struct = s.Tables(pad_block=_native.sign("pad_block", pad_block),
                               padded_slots=unsigned("padded_slots", padded_slots, 64),
                               padded_sequences=unsigned("padded_sequences", padded_sequences))
        self._keep: List[object] = []
        self._mapped: Optional[int] = None
        self._slots(slot_mapping=slot_mapping, positions=positions)
        self._sequences(query_start_loc, kv_indptr, kv_indices, kv_last_page_len)
        self._rows(block_table, first_positions, seq_lens, row_of, keep_rows)

    def _out(self, code: str, name: str, buffer: Any) -> Optional[_native.Tensor]:
        if buffer is None:
            return None
        tensor = _native.output(code, name, buffer)
        self._keep.append(tensor.keep)
        setattr(self.struct, name, tensor.address)
        return tensor

    def _slots(self, **arrays: Any) -> None:
        given = [self._out("q", name, buffer) for name, buffer in arrays.items()]
        self.struct.slot_capacity = min([tensor.count for tensor in given if tensor], default=0)

    def _sequences(self, query_start_loc: Any, kv_indptr: Any, kv_indices: Any, kv_last_page_len: Any) -> None:
        starts = [self._out("i", name, buffer) for name, buffer in (("query_start_loc", query_start_loc),
                                                                    ("kv_indptr", kv_indptr))]
        room = [max(tensor.count - 1, 0) for tensor in starts if tensor]
        last = self._out("i", "kv_last_page_len", kv_last_page_len)
        room += [last.count] if last else []
        self.struct.sequence_capacity = min(room, default=0)
        indices = self._out("i", "kv_indices", kv_indices)
        self.struct.kv_indices_capacity = indices.count if indices else 0

    def _rows(self, block_table: Any, first_positions: Any, seq_lens: Any, row_of: Any, keep_rows: bool) -> None:
        table = self._out("i", "block_table", block_table)
        rows = [tensor.count for tensor in (self._out("i", "first_positions", first_positions),
                                            self._out("i", "seq_lens", seq_lens)) if tensor]
        if table is not None:
            if len(table.shape) != 2:
                raise make_error(Status.INVALID_ARGUMENT, f"block_table has {len(table.shape)} dimensions, must be 2")
            rows.append(table.shape[0])
            self.struct.row_width = self.struct.row_stride = table.shape[1]
        self.struct.num_rows = min(rows, default=0)
        if row_of is not None:
            given = _native.numbers("I", row_of)
            self._keep.append(given.keep)
            self.struct.row_of, self._mapped = given.address, given.count
        self._states: Any = None
        if keep_rows and table is not None:
            self._states = _native.array(s.RowState, max(self.struct.num_rows, 1))
            self.struct.row_states = _native.address(self._states)

    def check_rows(self, sequences: int) -> None:
        """`row_of` must have a row for each sequence, padded ones included: C has no count of it."""
        wanted = max(sequences, self.struct.padded_sequences)
        if self._mapped is not None and self._mapped < wanted:
            raise make_error(Status.BUFFER_TOO_SMALL, f"row_of has {self._mapped} elements, must have {wanted}", wanted,
                             self._mapped)

    def forget_rows(self) -> None:
        """Rows are written in full by the next call."""
        for state in self._states or ():
            state.sequence = state.version = state.blocks_written = 0


class Batch:
    """Sequences, and how many tokens of each (None: one): the arguments of a step, looked up once.

    Arrays of exactly the type (uint64 handles, uint32 counts and first positions, int32 tokens) are read in place at
    every call, so the caller writes new tokens into the same array; anything else is copied now, once.
    """

    def __init__(self, cache: Cache, sequences: Sequences, num_tokens: Optional[Iterable[int]] = None, *,
                 tokens: Optional[Iterable[int]] = None, first: Optional[Iterable[int]] = None,
                 lengths: Optional[Iterable[int]] = None, tables: Optional[Tables] = None,
                 committed: bool = False) -> None:
        self._cache, self._tables = cache, tables
        self._handles = handles_of(sequences)
        count = self._handles.count
        if tables is not None:
            tables.check_rows(count)
        self._counts = self._one_each("num_tokens", num_tokens, count)
        self._first = self._one_each("first", first, count)
        self._lengths = self._one_each("lengths", lengths, count)
        self._tokens = None if tokens is None else _native.numbers("i", tokens)
        self.struct = s.Batch(flags=int(committed), num_sequences=count, sequences=self._handles.address,
                              num_tokens=self._counts, first=None, tokens=None)
        if self._tokens is not None:
            self.struct.tokens, self.struct.tokens_count = self._tokens.address, self._tokens.count
        self._at = s.Batch(num_sequences=count, sequences=self._handles.address, num_tokens=self._counts,
                           first=self._first)
        self._plan = _native.U64()
        self._batch_ref, self._at_ref = _native.ref(self.struct), _native.ref(self._at)
        self._tables_ref = None if tables is None else _native.ref(tables.struct)
        self._plan_ref = _native.ref(self._plan)

    def _one_each(self, name: str, values: Optional[Iterable[int]], count: int) -> Optional[int]:
        if values is None:
            return None
        given = _native.numbers("I", values)
        if given.count != count:
            raise make_error(Status.INVALID_ARGUMENT, f"{name} has {given.count} elements for {count} sequences")
        self.__dict__.setdefault("_keep", []).append(given.keep)
        return given.address

    def append(self) -> Optional[Plan]:
        """Grow all sequences, write the tables, and answer the plan if bytes must be copied first. On failure nothing
        has changed, in no sequence and in no table; the error's `row` is the sequence it is about."""
        plan = self._plan
        status = lib.akv_sequence_append_batch(self._cache.handle, self._batch_ref, self._tables_ref, self._plan_ref)
        if status:
            raise _native.error(status)
        return None if not plan.value else plan_of(self._cache, plan.value)

    def read_tables(self) -> None:
        """Write the tables without growing, for positions from `first` on (None: the last ones)."""
        check(lib.akv_sequence_read_tables(self._cache.handle, self._at_ref, self._tables_ref))

    def set_tokens(self) -> None:
        """The sampled tokens of a step, at positions from `first` on."""
        late = s.Batch(num_sequences=self._handles.count, sequences=self._handles.address, num_tokens=self._counts,
                       first=self._first)
        if self._tokens is not None:
            late.tokens, late.tokens_count = self._tokens.address, self._tokens.count
        check(lib.akv_sequence_set_tokens_batch(self._cache.handle, late))

    def commit(self, ticket: Union[Ticket, int] = 0) -> None:
        """Commit `lengths` tokens of each (None: all)."""
        status = lib.akv_sequence_commit_batch(self._cache.handle, self._handles.address, self._lengths,
                                               self._handles.count, int(ticket))
        if status:
            raise _native.error(status)

    def truncate(self, *, keep_blocks: bool = False) -> None:
        """Drop all tokens of each from its `lengths` on."""
        check(lib.akv_sequence_truncate_batch(self._cache.handle, self._handles.address, self._lengths,
                                              self._handles.count, int(keep_blocks)))
