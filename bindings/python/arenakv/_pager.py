"""_pager.py: paging: when the blocks are full, the coldest sequences go to the swap blocks and come back on use.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional

from . import _native
from ._batch import Sequences, handles_of
from ._byte_state import Residence
from ._managed import Managed
from ._native import byte_structs as b
from ._stream import Stream, on

if TYPE_CHECKING:
    from ._cache import Cache
    from ._store import Store

lib, check = _native.lib, _native.check


class Pager(Managed):
    """For one cache and all its stores, swap stores included. One call at a time."""

    def __init__(self, cache: Cache, stores: Iterable[Store]) -> None:
        given, pager = _native.object_list(store.handle for store in stores), _native.U64()
        config = b.PagerConfig(num_stores=given.count, stores=given.address)
        check(lib.akv_pager_create(cache.handle, config, _native.ref(pager)))
        self._own(pager.value, lambda handle: check(lib.akv_pager_destroy(handle)))

    @property
    def copy(self) -> PagerCopy:
        """The call that moves bytes."""
        return PagerCopy(self)


class PagerCopy:
    def __init__(self, pager: Pager) -> None:
        self._pager = pager

    def make_resident(self, sequences: Sequences, num_tokens: Optional[Iterable[int]] = None, *,
                      stream: Optional[Stream] = None) -> Residence:
        """Bring sequences in, and send others out until there is room for these and for `num_tokens` more of each.
        While the answer's `pending` is not 0, wait for the stream and ask again."""
        handle, given = self._pager.handle, handles_of(sequences)
        more = None if num_tokens is None else _native.numbers("I", num_tokens)
        if more is not None and more.count != given.count:
            raise ValueError(f"num_tokens has {more.count} elements for {given.count} sequences")
        got = b.Residence()
        on(stream, (given, more), lambda queue: lib.akv_copy_make_resident(
            handle, given.address, None if more is None else more.address, given.count, got, queue))
        return Residence(**_native.values(got))
