//! plan.rs: what must be copied or zeroed before the next kernel reads or writes. Running one is in copy.rs.
use arenakv_sys as sys;

use crate::error::{check, read_list, Result};
use crate::{Cache, PlanId, Ticket};

pub use arenakv_sys::akv_plan_info as PlanInfo;
pub use arenakv_sys::akv_plan_record as PlanRecord;

/// An open plan: run its records on the stores and finish it. Dropped unfinished, it is abandoned, and its sequences are
/// as before the call that made it. (Where another thread is inside one of them at that moment, it stays open, and
/// [`SequenceInfo::plan`](crate::SequenceInfo::plan) names it.)
///
/// ```
/// # use arenakv::*;
/// let cache = Cache::new(&CacheConfig { block_tokens: 4, ..Default::default() })?;
/// let mut parent = cache.create(&Prompt::new(&[1, 2, 3]), &Default::default())?.sequence;
/// parent.commit(3, None)?;
/// let mut child = parent.fork(None, &Default::default())?;
/// let mut plan = child.append(&[4])?.expect("its last block is shared");
/// assert_eq!(plan.info()?.copied_tokens, 3);
/// plan.finish(None)?; // an engine copies the records' tokens first
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[must_use = "run its records and finish it, or it is abandoned when it is dropped"]
pub struct Plan {
    cache: Cache,
    id: PlanId,
    ended: bool,
}

impl Cache {
    /// Own a plan that is known by its id. Not checked here: a stale one is `BadHandle` where it is used.
    pub fn plan(&self, id: PlanId) -> Plan {
        Plan { cache: self.clone(), id, ended: false }
    }
}

impl Plan {
    #[inline]
    pub(crate) fn option(cache: &Cache, raw: u64) -> Option<Plan> {
        (raw != sys::AKV_NONE).then(|| cache.plan(PlanId::from_raw(raw)))
    }

    pub fn id(&self) -> PlanId {
        self.id
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Let it stay open without this owner.
    pub fn into_id(mut self) -> PlanId {
        self.ended = true;
        self.id
    }

    /// The C library has ended it, or will.
    pub(crate) fn set_ended(&mut self) {
        self.ended = true;
    }

    /// Its size and price.
    pub fn info(&self) -> Result<PlanInfo> {
        let mut info = PlanInfo::INIT;
        check(unsafe { sys::akv_plan_read_info(self.cache.as_raw(), self.id.as_raw(), &mut info) })?;
        Ok(info)
    }

    /// Its records, in the order in which they must run.
    pub fn records(&self) -> Result<Vec<PlanRecord>> {
        let guess = self.info()?.num_records as usize;
        read_list(guess, PlanRecord::INIT, |records, capacity, count| unsafe {
            sys::akv_plan_read_records(self.cache.as_raw(), self.id.as_raw(), 0, records, capacity, count)
        })
    }

    /// The records have run (`None`), or are queued and will have when `ticket` ends well. On failure it is still open.
    pub fn finish(&mut self, ticket: Option<Ticket>) -> Result<()> {
        check(unsafe { sys::akv_plan_finish(self.cache.as_raw(), self.id.as_raw(), Ticket::raw(ticket)) })?;
        self.ended = true;
        Ok(())
    }

    /// It will not run: its sequences go back to before the call that made it. On failure it is still open.
    pub fn abandon(&mut self) -> Result<()> {
        check(unsafe { sys::akv_plan_abandon(self.cache.as_raw(), self.id.as_raw()) })?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        if !self.ended {
            unsafe { sys::akv_plan_abandon(self.cache.as_raw(), self.id.as_raw()) };
        }
    }
}
