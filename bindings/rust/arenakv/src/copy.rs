//! copy.rs: what moves K/V bytes, done when the call returns. stream.rs queues the same on a stream. `raw` is what both
//! share: it makes the C call, and checks what only Rust knows.
use arenakv_sys as sys;

use crate::error::Result;
use crate::plan::PlanRecord;
use crate::{BlocksFlags, Plan, RunFlags, Span, SpanMut, Store, TokenData, TokenDataMut};

impl Store {
    /// Write the K/V of tokens of one layer to their slots; a negative slot is skipped.
    pub fn copy_write_tokens(&mut self, layer: u32, slots: &[i64], planes: &[TokenData<'_>]) -> Result<()> {
        let data = planes.iter().map(|plane| plane.to_raw(&self.core, slots.len()));
        raw::write_tokens(&self.core, layer, slots, &data.collect::<Result<Vec<_>>>()?, raw::NOW)
    }

    /// Read tokens of one layer out of their slots.
    pub fn copy_read_tokens(&self, layer: u32, slots: &[i64], planes: &mut [TokenDataMut<'_>]) -> Result<()> {
        let data = planes.iter().map(|plane| plane.to_raw(&self.core, slots.len()));
        raw::read_tokens(&self.core, layer, slots, &data.collect::<Result<Vec<_>>>()?, raw::NOW)
    }

    /// Gather spans of sequences, each into its packed memory.
    pub fn copy_gather(&self, spans: &mut [SpanMut<'_>]) -> Result<()> {
        let spans = spans.iter().map(|span| span.to_raw(&self.core)).collect::<Result<Vec<_>>>()?;
        raw::gather(&self.core, &spans, raw::NOW)
    }

    /// Scatter packed memory into spans of sequences.
    pub fn copy_scatter(&mut self, spans: &[Span<'_>]) -> Result<()> {
        let spans = spans.iter().map(|span| span.to_raw(&self.core)).collect::<Result<Vec<_>>>()?;
        raw::scatter(&self.core, &spans, raw::NOW)
    }

    /// Zero whole blocks, in all layers and planes of the store.
    pub fn copy_zero(&mut self, blocks: &[i32]) -> Result<()> {
        raw::zero(&self.core, blocks, raw::NOW)
    }

    /// Copy whole blocks to another store: `blocks[i]` to `to_blocks[i]`, for the layers and heads that both have.
    pub fn copy_blocks(&self, blocks: &[i32], to: &mut Store, to_blocks: &[i32], flags: BlocksFlags) -> Result<()> {
        raw::blocks((&self.core, blocks), (&to.core, to_blocks), flags, raw::NOW)
    }

    /// The same inside this store.
    pub fn copy_blocks_inside(&mut self, blocks: &[i32], to_blocks: &[i32], flags: BlocksFlags) -> Result<()> {
        raw::blocks((&self.core, blocks), (&self.core, to_blocks), flags, raw::NOW)
    }

    /// Copy whole blocks to a store that keeps its K/V as something else. Scales are of planes with
    /// [`Scaling::Head`](crate::Scaling): `[stored layer][plane][head]`; `None`: all are 1.
    pub fn copy_converted(
        &self,
        blocks: &[i32],
        scales: Option<&[f32]>,
        to: &mut Store,
        to_blocks: &[i32],
        to_scales: Option<&[f32]>,
    ) -> Result<()> {
        raw::converted((&self.core, blocks, scales), (&to.core, to_blocks, to_scales), raw::NOW)
    }
}

impl Plan {
    /// Run the records on all stores that they name. Then say [`Plan::finish`].
    pub fn copy_run(&self, stores: &mut [&mut Store], flags: RunFlags) -> Result<()> {
        raw::run(self, &raw_stores(stores), flags.as_raw(), raw::NOW)
    }

    /// Run the records, and finish the plan: how plans that swap are run.
    pub fn copy_run_and_finish(&mut self, stores: &mut [&mut Store], flags: RunFlags) -> Result<()> {
        raw::run(self, &raw_stores(stores), flags.as_raw() | sys::AKV_RUN_FINISH, raw::NOW)?;
        self.set_ended();
        Ok(())
    }
}

/// Run records that came from elsewhere: the process that has the bytes needs no cache.
pub fn copy_records(records: &[PlanRecord], stores: &mut [&mut Store], flags: RunFlags) -> Result<()> {
    raw::records(records, &raw_stores(stores), flags, raw::NOW)
}

pub(crate) fn raw_stores(stores: &[&mut Store]) -> Vec<*mut sys::akv_store> {
    stores.iter().map(|store| store.as_raw()).collect()
}

/// The C calls, on a stream or done at once. Who calls them has the borrows that the data needs.
pub(crate) mod raw {
    use arenakv_sys as sys;

    use crate::error::{check, count_of, Error, Result, Status};
    use crate::plan::PlanRecord;
    use crate::store::StoreCore;
    use crate::{BlocksFlags, Plan, RunFlags};

    pub type StreamPointer = *mut sys::akv_stream;
    pub type StorePointer = *mut sys::akv_store;
    pub const NOW: StreamPointer = std::ptr::null_mut();

    const DATA_SIZE: u32 = size_of::<sys::akv_token_data>() as u32;
    const SPAN_SIZE: u32 = size_of::<sys::akv_span>() as u32;

    pub fn write_tokens(
        store: &StoreCore,
        layer: u32,
        slots: &[i64],
        data: &[sys::akv_token_data],
        stream: StreamPointer,
    ) -> Result<()> {
        let (tokens, planes) = (count_of(slots.len(), "slots")?, count_of(data.len(), "planes")?);
        let (store, slots, data) = (store.owner.raw(), slots.as_ptr(), data.as_ptr());
        check(unsafe { sys::akv_copy_write_tokens(store, layer, slots, tokens, data, planes, DATA_SIZE, stream) })
    }

    pub fn read_tokens(
        store: &StoreCore,
        layer: u32,
        slots: &[i64],
        data: &[sys::akv_token_data],
        stream: StreamPointer,
    ) -> Result<()> {
        let (tokens, planes) = (count_of(slots.len(), "slots")?, count_of(data.len(), "planes")?);
        let (store, slots, data) = (store.owner.raw(), slots.as_ptr(), data.as_ptr());
        check(unsafe { sys::akv_copy_read_tokens(store, layer, slots, tokens, data, planes, DATA_SIZE, stream) })
    }

    pub fn gather(store: &StoreCore, spans: &[sys::akv_span], stream: StreamPointer) -> Result<()> {
        let count = count_of(spans.len(), "spans")?;
        check(unsafe { sys::akv_copy_gather(store.owner.raw(), spans.as_ptr(), count, SPAN_SIZE, stream) })
    }

    pub fn scatter(store: &StoreCore, spans: &[sys::akv_span], stream: StreamPointer) -> Result<()> {
        let count = count_of(spans.len(), "spans")?;
        check(unsafe { sys::akv_copy_scatter(store.owner.raw(), spans.as_ptr(), count, SPAN_SIZE, stream) })
    }

    pub fn zero(store: &StoreCore, blocks: &[i32], stream: StreamPointer) -> Result<()> {
        let count = count_of(blocks.len(), "blocks")?;
        check(unsafe { sys::akv_copy_zero(store.owner.raw(), blocks.as_ptr(), count, stream) })
    }

    fn pairs(from: &[i32], to: &[i32]) -> Result<u32> {
        if from.len() != to.len() {
            let message = format!("{} blocks are to be copied to {}", from.len(), to.len());
            return Err(Error::new(Status::InvalidArgument, message));
        }
        count_of(from.len(), "blocks")
    }

    pub fn blocks(
        (from, from_blocks): (&StoreCore, &[i32]),
        (to, to_blocks): (&StoreCore, &[i32]),
        flags: BlocksFlags,
        stream: StreamPointer,
    ) -> Result<()> {
        let (count, source, target) = (pairs(from_blocks, to_blocks)?, from.owner.raw(), to.owner.raw());
        let (from_blocks, to_blocks, flags) = (from_blocks.as_ptr(), to_blocks.as_ptr(), flags.as_raw());
        check(unsafe { sys::akv_copy_blocks(source, from_blocks, target, to_blocks, count, flags, stream) })
    }

    pub fn converted(
        (from, from_blocks, from_scales): (&StoreCore, &[i32], Option<&[f32]>),
        (to, to_blocks, to_scales): (&StoreCore, &[i32], Option<&[f32]>),
        stream: StreamPointer,
    ) -> Result<()> {
        let count = pairs(from_blocks, to_blocks)?;
        from.check_head_scales(from.num_layers, from_scales)?;
        to.check_head_scales(to.num_layers, to_scales)?;
        let pointer = |scales: Option<&[f32]>| scales.map_or(std::ptr::null(), <[f32]>::as_ptr);
        let (from_scales, to_scales) = (pointer(from_scales), pointer(to_scales));
        let (source, target) = (from.owner.raw(), to.owner.raw());
        let (from, to) = (from_blocks.as_ptr(), to_blocks.as_ptr());
        check(unsafe { sys::akv_copy_converted(source, from, from_scales, target, to, to_scales, count, stream) })
    }

    pub fn run(plan: &Plan, stores: &[StorePointer], flags: u32, stream: StreamPointer) -> Result<()> {
        let (cache, id, count) = (plan.cache().as_raw(), plan.id().as_raw(), count_of(stores.len(), "stores")?);
        check(unsafe { sys::akv_copy_run(cache, id, stores.as_ptr(), count, flags, stream) })
    }

    pub fn records(
        records: &[PlanRecord],
        stores: &[StorePointer],
        flags: RunFlags,
        stream: StreamPointer,
    ) -> Result<()> {
        let (num_records, num_stores) = (count_of(records.len(), "records")?, count_of(stores.len(), "stores")?);
        let (records, stores, flags) = (records.as_ptr(), stores.as_ptr(), flags.as_raw());
        check(unsafe { sys::akv_copy_records(records, num_records, stores, num_stores, flags, stream) })
    }
}
