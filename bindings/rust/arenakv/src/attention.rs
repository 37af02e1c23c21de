//! attention.rs: attention of new tokens over what stores hold, at once or in a scope, and the merge of two results. It
//! checks that slices are as long as the call needs; what they mean the library checks.
use arenakv_sys as sys;

use crate::copy::raw::NOW;
use crate::data::{aligned, extent};
use crate::error::{check, count_of, Error, Result, Status};
use crate::store::{element_bytes, PlaneShape, StoreCore};
use crate::{Dtype, Element, PlaneRole, Scope, ScopedStore, Store};

/// A stretch of every sequence's tokens, in the blocks of one store: `&Store`, or a [`ScopedStore`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionPart<'b, S> {
    pub store: S,
    /// `[sequence][table_stride]`: the blocks of its tokens here.
    pub block_table: &'b [i32],
    /// 0: one row, the same for all.
    pub table_stride: usize,
    /// `[sequence]`: its tokens here.
    pub lengths: &'b [u32],
    /// `[sequence]`: of its first token here; `None`: behind the part before, or 0.
    pub first_positions: Option<&'b [u32]>,
    /// Of [`Scaling::Head`](crate::Scaling): one for each head; `None`: all are 1.
    pub key_scales: Option<&'b [f32]>,
    pub value_scales: Option<&'b [f32]>,
}

/// What is asked (`arenakv/attention.h`); zero means default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attention<'b> {
    pub layer: u32,
    pub num_sequences: u32,
    /// Of each sequence; default 1.
    pub num_queries: u32,
    pub query_heads: u32,
    /// Of a latent plane: elements that are values.
    pub value_dim: u32,
    /// Bytes, of the first three dimensions; all 0: packed.
    pub query_strides: [i64; 3],
    pub out_strides: [i64; 3],
    /// Default 1 / sqrt(head_dim).
    pub scale: f32,
    pub soft_cap: f32,
    /// Tokens that a query sees; 0: all.
    pub window: u32,
    pub sink_tokens: u32,
    /// `[query head]`
    pub sink_logits: Option<&'b [f32]>,
    /// `[sequence]`: of its queries, for the window.
    pub positions: Option<&'b [u32]>,
}

/// Numbers that are attended with, and where the results go: slices of elements of `dtype` (F32, F16, BF16).
#[derive(Debug)]
pub struct Rows<'b, Q, O> {
    pub dtype: Dtype,
    /// `[sequence][query][query head][head_dim of the keys]`
    pub query: &'b [Q],
    /// `[sequence][query][query head][head_dim of the values]`
    pub out: &'b mut [O],
    /// `[sequence][query][query head]`, for merging.
    pub log_sums: Option<&'b mut [f32]>,
}

impl<'b> Attention<'b> {
    /// Attend, and be done when this returns.
    ///
    /// ```
    /// # use arenakv::*;
    /// # let groups = vec![LayerGroup::keys_and_values(1, 1, 2, Dtype::F32)];
    /// # let cache = Cache::new(&CacheConfig { groups, ..Default::default() })?;
    /// # let mut store = Store::new(&cache, &StoreConfig::default())?;
    /// let (keys, values) = ([1.0f32, 0.0], [3.0f32, 4.0]);
    /// store.copy_write_tokens(0, &[16], &[TokenData::new(0, &keys), TokenData::new(1, &values)])?;
    /// let (query, mut out) = ([1.0f32, 1.0], [0.0f32; 2]);
    /// let attention = Attention { num_sequences: 1, query_heads: 1, ..Default::default() };
    /// let part = AttentionPart::new(&store, &[1], 1, &[1]);
    /// attention.decode(Rows { dtype: Dtype::F32, query: &query, out: &mut out, log_sums: None }, &[part])?;
    /// assert_eq!(out, values); // one token has all of the weight
    /// # Ok::<(), Error>(())
    /// ```
    pub fn decode<Q: Element, O: Element>(
        &self,
        rows: Rows<'_, Q, O>,
        parts: &[AttentionPart<'_, &Store>],
    ) -> Result<()> {
        let Some(first) = parts.first() else { return Err(no_parts()) };
        let raw = parts.iter().map(|part| part.to_raw(&part.store.core, self.num_sequences));
        self.queue(rows, &raw.collect::<Result<Vec<_>>>()?, &first.store.core, NOW)
    }

    fn queue<Q: Element, O: Element>(
        &self,
        rows: Rows<'_, Q, O>,
        parts: &[sys::akv_attention_part],
        store: &StoreCore,
        stream: *mut sys::akv_stream,
    ) -> Result<()> {
        self.check(&rows, store)?;
        let raw = sys::akv_attention {
            layer: self.layer,
            num_sequences: self.num_sequences,
            num_queries: self.num_queries,
            query_heads: self.query_heads,
            dtype: rows.dtype.as_raw(),
            value_dim: self.value_dim,
            query: rows.query.as_ptr().cast(),
            out: rows.out.as_mut_ptr().cast(),
            log_sums: rows.log_sums.map_or(std::ptr::null_mut(), |sums| sums.as_mut_ptr()),
            query_strides: self.query_strides,
            out_strides: self.out_strides,
            scale: self.scale,
            soft_cap: self.soft_cap,
            window: self.window,
            sink_tokens: self.sink_tokens,
            sink_logits: pointer(self.sink_logits),
            positions: pointer(self.positions),
            parts: parts.as_ptr(),
            num_parts: count_of(parts.len(), "parts")?,
            part_size: size_of::<sys::akv_attention_part>() as u32,
            ..sys::akv_attention::INIT
        };
        check(unsafe { sys::akv_attention_decode(&raw, stream) })
    }

    /// Every slice holds what the call reads or writes.
    fn check<Q: Element, O: Element>(&self, rows: &Rows<'_, Q, O>, store: &StoreCore) -> Result<()> {
        let bytes = element_bytes(rows.dtype);
        let (sequences, heads) = (u64::from(self.num_sequences), u64::from(self.query_heads));
        let queries = u64::from(self.num_queries.max(1));
        // Keys and values in either order, or one latent: the library refuses all else.
        let dim_of = |values: bool| {
            let of_role = |plane: &&PlaneShape| (plane.role == PlaneRole::Values) == values;
            store.planes.iter().find(of_role).map_or(u64::from(self.value_dim), |plane| plane.head_dim)
        };
        let shape =
            |dim| [(sequences, queries * heads * dim * bytes), (queries, heads * dim * bytes), (heads, dim * bytes)];
        let (key_dim, value_dim) = (dim_of(false), dim_of(true));
        check_rows("query", rows.query, &self.query_strides, &shape(key_dim), bytes)?;
        check_rows("out", rows.out, &self.out_strides, &shape(value_dim), bytes)?;
        let overlap = self.out_strides.iter().zip(shape(0)).any(|(stride, (count, _))| *stride == 0 && count > 1);
        if overlap && self.out_strides != [0; 3] {
            return Err(Error::new(Status::InvalidArgument, "out_strides lay rows over each other"));
        }
        at_least("log_sums", rows.log_sums.as_deref(), sequences * queries * heads)?;
        at_least("sink_logits", self.sink_logits, heads)?;
        at_least("positions", self.positions, sequences)
    }
}

/// Rows that strided loops reach lie in the slice; strides that are all 0 mean packed ones.
fn check_rows<T: Element>(
    what: &str,
    data: &[T],
    strides: &[i64; 3],
    shape: &[(u64, u64); 3],
    bytes: u64,
) -> Result<()> {
    let packed = *strides == [0; 3];
    aligned(data.as_ptr().cast(), strides, bytes)?;
    let mut loops = [(0, 0, 0); 3];
    for (to, (stride, (count, row))) in loops.iter_mut().zip(strides.iter().zip(shape)) {
        *to = (*stride, if packed { *row } else { 0 }, *count);
    }
    let needed = extent(&loops, shape[2].1)?;
    if (size_of_val(data) as u64) < needed {
        return Err(Error::too_short(what, needed, size_of_val(data)));
    }
    Ok(())
}

impl<'b, S> AttentionPart<'b, S> {
    /// All tokens in one store.
    pub fn new(store: S, block_table: &'b [i32], table_stride: usize, lengths: &'b [u32]) -> AttentionPart<'b, S> {
        let (first_positions, key_scales, value_scales) = (None, None, None);
        AttentionPart { store, block_table, table_stride, lengths, first_positions, key_scales, value_scales }
    }

    fn to_raw(&self, store: &StoreCore, num_sequences: u32) -> Result<sys::akv_attention_part> {
        let sequences = u64::from(num_sequences);
        at_least("lengths", Some(self.lengths), sequences)?;
        at_least("first_positions", self.first_positions, sequences)?;
        let heads = store.planes.iter().map(|plane| plane.heads).max().unwrap_or(0);
        at_least("key_scales", self.key_scales, heads)?;
        at_least("value_scales", self.value_scales, heads)?;
        let mut entries = 0;
        for (row, length) in self.lengths[..num_sequences as usize].iter().enumerate() {
            let blocks = length.div_ceil(store.block_tokens) as usize;
            if blocks != 0 {
                entries = entries.max(row.saturating_mul(self.table_stride).saturating_add(blocks));
            }
        }
        at_least("block_table", Some(self.block_table), entries as u64)?;
        Ok(sys::akv_attention_part {
            store: store.owner.raw(),
            block_table: self.block_table.as_ptr(),
            table_stride: i64::try_from(self.table_stride)
                .map_err(|_| Error::new(Status::InvalidArgument, "table_stride is over 2^63 - 1"))?,
            lengths: self.lengths.as_ptr(),
            first_positions: pointer(self.first_positions),
            key_scales: pointer(self.key_scales),
            value_scales: pointer(self.value_scales),
        })
    }
}

impl<'env> Scope<'_, 'env> {
    /// See [`Attention::decode`]; what it names is read when the work is done.
    pub fn attention_decode<Q: Element, O: Element>(
        &self,
        attention: &Attention<'env>,
        rows: Rows<'env, Q, O>,
        parts: &[AttentionPart<'env, ScopedStore<'env>>],
    ) -> Result<()> {
        let Some(first) = parts.first() else { return Err(no_parts()) };
        let first = self.core(first.store)?;
        let raw = parts.iter().map(|part| part.to_raw(self.core(part.store)?, attention.num_sequences));
        attention.queue(rows, &raw.collect::<Result<Vec<_>>>()?, first, self.raw())
    }
}

/// One of two results over halves of the tokens.
#[derive(Clone, Copy, Debug)]
pub struct Half<'b, T> {
    pub out: &'b [T],
    pub log_sums: &'b [f32],
}

/// Two results of the same queries become that over all tokens: packed rows of `dim` elements of `dtype`.
pub fn attention_merge<T: Element>(
    (a, b): (Half<'_, T>, Half<'_, T>),
    out: &mut [T],
    out_log_sums: Option<&mut [f32]>,
    dim: u32,
    dtype: Dtype,
) -> Result<()> {
    let (rows, bytes) = (a.log_sums.len() as u64, element_bytes(dtype));
    let needed = rows.saturating_mul(u64::from(dim)).saturating_mul(bytes);
    for (what, data, given) in [
        ("a", a.out.as_ptr(), size_of_val(a.out)),
        ("b", b.out.as_ptr(), size_of_val(b.out)),
        ("out", out.as_ptr(), size_of_val(out)),
    ] {
        aligned(data.cast(), &[], bytes)?;
        if (given as u64) < needed {
            return Err(Error::too_short(what, needed, given));
        }
    }
    at_least("log_sums", Some(b.log_sums), rows)?;
    at_least("log_sums", out_log_sums.as_deref(), rows)?;
    let sums = out_log_sums.map_or(std::ptr::null_mut(), |sums| sums.as_mut_ptr());
    let (a_out, b_out, out) = (a.out.as_ptr().cast(), b.out.as_ptr().cast(), out.as_mut_ptr().cast());
    let (a_sums, b_sums, dtype) = (a.log_sums.as_ptr(), b.log_sums.as_ptr(), dtype.as_raw());
    check(unsafe { sys::akv_attention_merge(a_out, a_sums, b_out, b_sums, out, sums, rows, dim, dtype, NOW) })
}

fn at_least<T>(what: &str, list: Option<&[T]>, needed: u64) -> Result<()> {
    match list {
        Some(list) if (list.len() as u64) < needed => Err(Error::too_short(what, needed, list.len())),
        _ => Ok(()),
    }
}

fn pointer<T>(list: Option<&[T]>) -> *const T {
    list.map_or(std::ptr::null(), <[T]>::as_ptr)
}

#[cold]
fn no_parts() -> Error {
    Error::new(Status::InvalidArgument, "num_parts is 0, must be 1 to 8")
}
