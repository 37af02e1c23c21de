//! tiers.rs: who is in the cache's blocks, in its swap blocks, or in full precision: the pager, and tails of two tiers.
//! Calls that move bytes take the stores they were made for, so that nobody else reads or writes those meanwhile.
use std::sync::Arc;

use arenakv_sys as sys;

use crate::copy::raw::{StorePointer, NOW};
use crate::copy::raw_stores;
use crate::data::aligned;
use crate::error::{check, count_of, Error, Result, Status};
use crate::handle::Owner;
use crate::store::{element_bytes, StoreCore};
use crate::{Cache, Dtype, Element, Plane, Scaling, Scope, ScopedStore, SequenceId, Store, StoreConfig, Ticket};

pub use arenakv_sys::akv_tail_info as TailInfo;

/// When the cache's blocks are full, the coldest sequences go to the swap blocks, and come back on use.
#[derive(Debug)]
pub struct Pager {
    owner: Arc<Owner<sys::akv_pager>>,
    stores: Vec<StorePointer>,
}

// The pointers are compared, never followed.
unsafe impl Send for Pager {}
unsafe impl Sync for Pager {}

/// What became of sequences that were to be made resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "while something is pending, wait and ask again"]
pub struct Residence {
    pub resident: u32,
    /// 0: all are, and there is the room that was asked for.
    pub pending: u32,
    pub started_out: u32,
    pub started_in: u32,
    /// The newest ticket that must pass before there is room.
    pub wait: Option<Ticket>,
}

impl Pager {
    /// For one cache, and all shards of its blocks and of its swap blocks.
    pub fn new(cache: &Cache, stores: &[&Store]) -> Result<Pager> {
        let stores: Vec<_> = stores.iter().map(|store| store.as_raw()).collect();
        let config = sys::akv_pager_config {
            num_stores: count_of(stores.len(), "stores")?,
            stores: stores.as_ptr(),
            ..sys::akv_pager_config::INIT
        };
        let owner = Owner::create(|out| unsafe { sys::akv_pager_create(cache.as_raw(), &config, out) })?;
        Ok(Pager { owner, stores })
    }

    /// End it now.
    pub fn close(&mut self) -> Result<()> {
        self.owner.close()
    }

    /// Make sequences resident, with room for `num_tokens[i]` more tokens of each. `stores` are those it was made for.
    pub fn copy_make_resident(
        &mut self,
        sequences: &[SequenceId],
        num_tokens: Option<&[u32]>,
        stores: &mut [&mut Store],
    ) -> Result<Residence> {
        self.make_resident(sequences, num_tokens, &raw_stores(stores), NOW)
    }

    fn make_resident(
        &self,
        sequences: &[SequenceId],
        num_tokens: Option<&[u32]>,
        stores: &[StorePointer],
        stream: *mut sys::akv_stream,
    ) -> Result<Residence> {
        same_stores(&self.stores, stores)?;
        if num_tokens.is_some_and(|list| list.len() != sequences.len()) {
            return Err(Error::new(Status::InvalidArgument, "num_tokens must have an element for each sequence"));
        }
        let (mut raw, count) = (sys::akv_residence::INIT, count_of(sequences.len(), "sequences")?);
        let (ids, tokens) = (sequences.as_ptr().cast(), num_tokens.map_or(std::ptr::null(), <[u32]>::as_ptr));
        check(unsafe { sys::akv_copy_make_resident(self.owner.raw(), ids, tokens, count, &mut raw, stream) })?;
        Ok(Residence {
            resident: raw.resident,
            pending: raw.pending,
            started_out: raw.started_out,
            started_in: raw.started_in,
            wait: Ticket::option(raw.wait),
        })
    }
}

fn same_stores(made_for: &[StorePointer], given: &[StorePointer]) -> Result<()> {
    if made_for.len() == given.len() && made_for.iter().all(|store| given.contains(store)) {
        return Ok(());
    }
    Err(Error::new(Status::InvalidArgument, "pass the stores that it was made for, all of them"))
}

/// Zero means default (`arenakv/two_tier.h`).
#[derive(Clone, Debug, Default)]
pub struct TailConfig {
    /// F32, F16 or BF16; default BF16.
    pub dtype: Option<Dtype>,
    /// The last tokens of a sequence, never moved; default 256.
    pub tail_tokens: u32,
    /// That may come before the next overflow; default the `block_tokens` of the store.
    pub slack_tokens: u32,
    /// Rows; default 64.
    pub max_sequences: u32,
    /// Of planes with [`Scaling::Head`]: `[stored layer][plane][head]`; empty: all are 1.
    pub head_scales: Vec<f32>,
}

impl TailConfig {
    fn with_raw<R>(&self, store: &StoreCore, call: impl FnOnce(&sys::akv_tail_config) -> Result<R>) -> Result<R> {
        let scales = (!self.head_scales.is_empty()).then_some(self.head_scales.as_slice());
        store.check_head_scales(store.num_layers, scales)?;
        call(&sys::akv_tail_config {
            dtype: self.dtype.map_or(0, Dtype::as_raw),
            tail_tokens: self.tail_tokens,
            slack_tokens: self.slack_tokens,
            max_sequences: self.max_sequences,
            head_scales: scales.map_or(std::ptr::null(), <[f32]>::as_ptr),
            ..sys::akv_tail_config::INIT
        })
    }
}

/// A row of a tail: the last tokens of one sequence. The tail closes it with [`Tail::close_row`], or when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TailRow(u64);

/// The last tokens of each sequence in full precision, all before them quantized.
#[derive(Debug)]
pub struct Tail {
    owner: Arc<Owner<sys::akv_tail>>,
    stores: [StorePointer; 2],
    elements: u64,
}

// The pointers are compared, never followed.
unsafe impl Send for Tail {}
unsafe impl Sync for Tail {}

/// A row whose whole blocks go to the quantized store.
#[derive(Clone, Copy, Debug)]
pub struct Overflow<'b> {
    pub row: TailRow,
    /// Of the sequence in the quantized store, from its first token on.
    pub blocks: &'b [i32],
    /// Tokens of the sequence whose K/V exist in all layers.
    pub length: u32,
    /// That are not moved; `None`: the tail's own; 0: all whole blocks go.
    pub keep_tokens: Option<u32>,
}

impl Overflow<'_> {
    fn to_raw(self) -> Result<sys::akv_overflow> {
        Ok(sys::akv_overflow {
            row: self.row.0,
            blocks: self.blocks.as_ptr(),
            num_blocks: count_of(self.blocks.len(), "blocks")?,
            length: self.length,
            keep_tokens: self.keep_tokens.unwrap_or(sys::AKV_UNSET),
            ..sys::akv_overflow::INIT
        })
    }
}

impl Tail {
    /// Make the tail of a quantized store, and the full-precision store of its rows. Both stores live as long as it.
    pub fn new(store: &Store, config: &TailConfig, of_store: &StoreConfig) -> Result<(Tail, Store)> {
        let core = &store.core;
        config.with_raw(core, |raw| {
            let mut outlived = of_store.outlived();
            let rings = of_store.with_raw(&[], |over| {
                Owner::create_over(std::mem::take(&mut outlived), |out| unsafe {
                    sys::akv_tail_create_store(store.as_raw(), raw, over, out)
                })
            })?;
            let planes: Vec<_> = core
                .planes
                .iter()
                .map(|plane| Plane {
                    kv_heads: plane.heads as u32,
                    head_dim: plane.head_dim as u32,
                    scale_bytes: 0,
                    scaling: Scaling::None,
                    ..Plane::new(plane.role, Dtype::F32, 0, 0)
                })
                .collect();
            let rings = Store::own(rings, &planes)?;
            let outlived: Vec<Arc<dyn Send + Sync>> = vec![core.clone(), rings.core.clone()];
            let owner = Owner::create_over(outlived, |out| unsafe {
                sys::akv_tail_create(store.as_raw(), rings.as_raw(), raw, out)
            })?;
            let elements = core.planes.iter().map(|plane| plane.heads * plane.head_dim).sum::<u64>() * core.num_layers;
            Ok((Tail { owner, stores: [store.as_raw(), rings.as_raw()], elements }, rings))
        })
    }

    /// End it now.
    pub fn close(&mut self) -> Result<()> {
        self.owner.close()
    }

    pub fn info(&self) -> Result<TailInfo> {
        let mut info = TailInfo::INIT;
        check(unsafe { sys::akv_tail_read_info(self.owner.raw(), &mut info) })?;
        Ok(info)
    }

    /// Open a row for a sequence whose first `stored_tokens` tokens, whole blocks, are in the quantized store.
    pub fn open_row(&mut self, stored_tokens: u32) -> Result<TailRow> {
        let mut row = 0;
        check(unsafe { sys::akv_tail_open(self.owner.raw(), stored_tokens, &mut row) })?;
        Ok(TailRow(row))
    }

    /// Close a row: what is in its ring is given up.
    pub fn close_row(&mut self, row: TailRow) -> Result<()> {
        check(unsafe { sys::akv_tail_close(self.owner.raw(), row.0) })
    }

    /// Slots in the tail's store of tokens at these positions.
    pub fn read_slots(&self, rows: &[TailRow], positions: &[u32], out: &mut [i64]) -> Result<()> {
        let count = count_of(rows.len(), "rows")?;
        if positions.len() != rows.len() || out.len() < rows.len() {
            return Err(Error::too_short("positions or slots", rows.len() as u64, positions.len().min(out.len())));
        }
        let rows: Vec<u64> = rows.iter().map(|row| row.0).collect();
        let (positions, out) = (positions.as_ptr(), out.as_mut_ptr());
        check(unsafe { sys::akv_tail_read_slots(self.owner.raw(), rows.as_ptr(), positions, count, out) })
    }

    /// For attention's part over the tail: `[row][table_stride]` block tables, and for each row the tokens that are in the
    /// quantized store.
    pub fn read_tables(
        &self,
        rows: &[TailRow],
        table: &mut [i32],
        table_stride: u32,
        stored: &mut [u32],
    ) -> Result<()> {
        let (count, entries) = (count_of(rows.len(), "rows")?, rows.len() as u64 * u64::from(table_stride));
        if (table.len() as u64) < entries || stored.len() < rows.len() {
            return Err(Error::too_short("table or stored", entries.max(rows.len() as u64), table.len()));
        }
        let rows: Vec<u64> = rows.iter().map(|row| row.0).collect();
        let (rows, table, stored) = (rows.as_ptr(), table.as_mut_ptr(), stored.as_mut_ptr());
        check(unsafe { sys::akv_tail_read_tables(self.owner.raw(), rows, count, table, table_stride, stored) })
    }

    /// Move whole blocks out of rows into the quantized store. For each row, the tokens that are there then.
    pub fn copy_overflow(
        &mut self,
        rows: &[Overflow<'_>],
        store: &mut Store,
        tail_store: &mut Store,
    ) -> Result<Vec<u32>> {
        self.overflow(rows, [store.as_raw(), tail_store.as_raw()], NOW)
    }

    fn overflow(
        &self,
        rows: &[Overflow<'_>],
        stores: [StorePointer; 2],
        stream: *mut sys::akv_stream,
    ) -> Result<Vec<u32>> {
        same_stores(&self.stores, &stores)?;
        let (mut stored, count) = (vec![0; rows.len()], count_of(rows.len(), "rows")?);
        let rows = rows.iter().map(|row| row.to_raw()).collect::<Result<Vec<_>>>()?;
        let (rows, size, out) = (rows.as_ptr(), size_of::<sys::akv_overflow>() as u32, stored.as_mut_ptr());
        check(unsafe { sys::akv_copy_overflow(self.owner.raw(), rows, count, size, out, stream) })?;
        Ok(stored)
    }

    /// Read all K/V of a sequence back from both tiers, as numbers: `[layer][plane][token][head][dim]`.
    pub fn copy_read_tiers<T: Element>(
        &self,
        row: &Overflow<'_>,
        dtype: Dtype,
        out: &mut [T],
        stores: [&Store; 2],
    ) -> Result<()> {
        same_stores(&self.stores, &stores.map(Store::as_raw))?;
        aligned(out.as_ptr().cast(), &[], element_bytes(dtype))?;
        let (raw, size) = (row.to_raw()?, size_of::<sys::akv_overflow>() as u32);
        let (bytes, out) = (size_of_val(out) as u64, out.as_mut_ptr().cast());
        check(unsafe { sys::akv_copy_read_tiers(self.owner.raw(), &raw, size, dtype.as_raw(), out, bytes, NOW) })
    }

    /// Elements that [`Tail::copy_read_tiers`] writes for so many tokens.
    pub fn elements(&self, num_tokens: u32) -> u64 {
        self.elements * u64::from(num_tokens)
    }
}

impl<'env> Scope<'_, 'env> {
    /// See [`Pager::copy_make_resident`]: never waits, and is finished when the stream is polled.
    pub fn copy_make_resident(
        &self,
        pager: &mut Pager,
        sequences: &[SequenceId],
        num_tokens: Option<&[u32]>,
        stores: &[ScopedStore<'env>],
    ) -> Result<Residence> {
        pager.make_resident(sequences, num_tokens, &self.raw_stores(stores)?, self.raw())
    }

    /// See [`Tail::copy_overflow`].
    pub fn copy_overflow(
        &self,
        tail: &mut Tail,
        rows: &[Overflow<'_>],
        store: ScopedStore<'env>,
        tail_store: ScopedStore<'env>,
    ) -> Result<Vec<u32>> {
        let stores = [self.core(store)?.owner.raw(), self.core(tail_store)?.owner.raw()];
        tail.overflow(rows, stores, self.raw())
    }
}
