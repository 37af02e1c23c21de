//! memory.rs: a tracker: who has how much memory of which device, and for what. It allocates nothing of it.
use std::sync::Arc;

use arenakv_sys as sys;

use crate::error::{check, count_of, Result};
use crate::handle::Owner;
use crate::Purpose;

pub use arenakv_sys::akv_memory_totals as MemoryTotals;

/// An allocation to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// 0 is the host.
    pub device: u32,
    pub purpose: Purpose,
    pub bytes: u64,
}

/// One allocation that a tracker knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct MemoryRecord(u64);

/// Counts what it is told. Clones are the same tracker; stores and pools that record here keep it alive.
#[derive(Clone, Debug)]
pub struct Tracker {
    pub(crate) owner: Arc<Owner<sys::akv_tracker>>,
}

impl Tracker {
    /// `max_records` 0: 4096.
    pub fn new(max_records: u32) -> Result<Tracker> {
        let config = sys::akv_tracker_config { max_records, ..sys::akv_tracker_config::INIT };
        Ok(Tracker { owner: Owner::create(|out| unsafe { sys::akv_tracker_create(&config, out) })? })
    }

    /// Record allocations, all or none: before you make them, so that a limit can refuse.
    pub fn record(&self, allocations: &[Allocation]) -> Result<Vec<MemoryRecord>> {
        let count = count_of(allocations.len(), "allocations")?;
        let raw: Vec<_> = allocations
            .iter()
            .map(|one| sys::akv_allocation { device: one.device, purpose: one.purpose.as_raw(), bytes: one.bytes })
            .collect();
        let (mut records, size) = (vec![MemoryRecord(0); raw.len()], size_of::<sys::akv_allocation>() as u32);
        let out = records.as_mut_ptr().cast();
        check(unsafe { sys::akv_tracker_record(self.owner.raw(), raw.as_ptr(), size, count, out) })?;
        Ok(records)
    }

    /// They were freed: all or none, each once.
    pub fn forget(&self, records: &[MemoryRecord]) -> Result<()> {
        let count = count_of(records.len(), "records")?;
        check(unsafe { sys::akv_tracker_forget(self.owner.raw(), records.as_ptr().cast(), count) })
    }

    /// From now on at most so many bytes are recorded on this device; 0: no limit.
    pub fn set_limit(&self, device: u32, bytes: u64) -> Result<()> {
        check(unsafe { sys::akv_tracker_set_limit(self.owner.raw(), device, bytes) })
    }

    /// The sums of one device and one purpose; `None`: of all.
    pub fn totals(&self, device: Option<u32>, purpose: Option<Purpose>) -> Result<MemoryTotals> {
        let mut totals = MemoryTotals::INIT;
        let (device, purpose) = (device.unwrap_or(sys::AKV_UNSET), purpose.map_or(sys::AKV_UNSET, Purpose::as_raw));
        check(unsafe { sys::akv_tracker_read_totals(self.owner.raw(), device, purpose, &mut totals) })?;
        Ok(totals)
    }

    /// End it now. `Busy` while a store or pool records here.
    pub fn close(&self) -> Result<()> {
        self.owner.close()
    }
}
