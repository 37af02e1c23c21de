"""_memory.py: a tracker: who has how much memory of which device, and for what. It allocates nothing of it.
"""
from __future__ import annotations

from typing import Iterable, List, Tuple

from . import _native
from ._byte_state import MemoryTotals
from ._enums import UNSET, Purpose
from ._managed import Managed
from ._native import byte_structs as b

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned


class Tracker(Managed):
    """Counts what it is told; stores and page pools that were given it record what they reserve."""

    def __init__(self, *, max_records: int = 0) -> None:
        tracker = _native.U64()
        check(lib.akv_tracker_create(b.TrackerConfig(max_records=unsigned("max_records", max_records)), ref(tracker)))
        self._own(tracker.value, lambda handle: check(lib.akv_tracker_destroy(handle)))

    def record(self, allocations: Iterable[Tuple[int, Purpose, int]]) -> List[int]:
        """Record allocations (device, purpose, bytes), all or none, before they are made. Answers a record for each."""
        given = list(allocations)
        array, records = _native.array(b.Allocation, len(given)), _native.array(_native.U64, len(given))
        for struct, (device, purpose, size) in zip(array, given):
            struct.device, struct.purpose = unsigned("device", device), unsigned("purpose", purpose)
            struct.bytes = unsigned("bytes", size, 64)
        check(lib.akv_tracker_record(self.handle, array, _native.size(b.Allocation), len(given), records))
        found: List[int] = records[:]
        return found

    def forget(self, records: Iterable[int]) -> None:
        """They were freed: all or none, each once."""
        given = _native.numbers("Q", records)
        check(lib.akv_tracker_forget(self.handle, given.address, given.count))

    def set_limit(self, device: int, size: int) -> None:
        """At most so many bytes on this device; 0: no limit."""
        check(lib.akv_tracker_set_limit(self.handle, unsigned("device", device), unsigned("size", size, 64)))

    def totals(self, device: int = UNSET, purpose: int = UNSET) -> MemoryTotals:
        """The sums of one device and one purpose; UNSET: of all of them."""
        totals = b.MemoryTotals()
        check(lib.akv_tracker_read_totals(self.handle, unsigned("device", device), unsigned("purpose", purpose),
                                          totals))
        return MemoryTotals(**_native.values(totals))
