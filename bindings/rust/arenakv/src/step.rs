//! step.rs: one call per scheduler step for the whole batch, and the tables that kernels read. It allocates nothing.
use arenakv_sys as sys;

use crate::error::{check, count_of, Error, Result};
use crate::{AppendFlags, Cache, Plan, SequenceId, Status, Ticket, TruncateFlags};

/// What a row of a block table holds: start from `Default`, then leave it to the library.
pub use arenakv_sys::akv_row_state as RowState;

/// Which sequences, and which tokens of each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// None twice.
    pub sequences: &'a [SequenceId],
    /// Of each sequence; `None`: one each.
    pub num_tokens: Option<&'a [u32]>,
    /// Position of the first of them (set_tokens, read_tables); `None` for append.
    pub first: Option<&'a [u32]>,
    /// Ids, one sequence after the other; `None` (append): not known.
    pub tokens: Option<&'a [i32]>,
    pub flags: AppendFlags,
}

/// Where to write; `None`: not asked for. Lengths of slices are capacities (`arenakv/step.h` says what is in each).
///
/// ```
/// # use arenakv::*;
/// # let cache = Cache::new(&CacheConfig { block_tokens: 4, ..Default::default() })?;
/// # let one = cache.create(&Prompt::new(&[1, 2, 3]), &Default::default())?.sequence;
/// # let other = cache.create(&Prompt::new(&[7; 5]), &Default::default())?.sequence;
/// let (mut slots, mut lengths) = ([0i64; 2], [0i32; 2]);
/// let mut tables =
///     Tables { slot_mapping: Some(&mut slots), seq_lens: Some(&mut lengths), num_rows: 2, ..Default::default() };
/// let batch = Batch { sequences: &[one.id(), other.id()], ..Default::default() };
/// cache.append_batch(&batch, Some(&mut tables))?;
/// assert_eq!((slots, lengths), ([4 + 3, 3 * 4 + 1], [4, 6]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Tables<'a> {
    /// Written behind the last block of a row: 0, or -1, as your kernels want.
    pub pad_block: i32,

    pub slot_mapping: Option<&'a mut [i64]>,
    pub positions: Option<&'a mut [i64]>,
    /// Fill up to here with padding; 0: none.
    pub padded_slots: u64,

    /// `[sequences + 1]`
    pub query_start_loc: Option<&'a mut [i32]>,
    /// `[sequences + 1]`
    pub kv_indptr: Option<&'a mut [i32]>,
    pub kv_indices: Option<&'a mut [i32]>,
    pub kv_last_page_len: Option<&'a mut [i32]>,
    /// Pad these and the rows up to here with empty contexts; 0: none.
    pub padded_sequences: u32,

    /// `[num_rows][row_stride]`, of which `row_width` entries are written.
    pub block_table: Option<&'a mut [i32]>,
    /// `None`: every row is written in full.
    pub row_states: Option<&'a mut [RowState]>,
    pub first_positions: Option<&'a mut [i32]>,
    pub seq_lens: Option<&'a mut [i32]>,
    /// Row of each sequence; `None`: its place in the batch.
    pub row_of: Option<&'a [u32]>,
    pub row_stride: usize,
    pub row_width: u32,
    pub num_rows: u32,
}

impl Batch<'_> {
    #[inline]
    fn to_raw(self) -> Result<sys::akv_batch> {
        for (what, list) in [("num_tokens", self.num_tokens), ("first", self.first)] {
            if list.is_some_and(|list| list.len() != self.sequences.len()) {
                let message = format!("{what} must have an element for each of {} sequences", self.sequences.len());
                return Err(Error::new(Status::InvalidArgument, message));
            }
        }
        Ok(sys::akv_batch {
            flags: self.flags.as_raw(),
            num_sequences: count_of(self.sequences.len(), "sequences")?,
            tokens_count: count_of(self.tokens.map_or(0, <[i32]>::len), "tokens")?,
            sequences: self.sequences.as_ptr().cast(),
            num_tokens: pointer(self.num_tokens),
            first: pointer(self.first),
            tokens: pointer(self.tokens),
            ..sys::akv_batch::INIT
        })
    }
}

impl Tables<'_> {
    #[inline]
    fn raw_over(&mut self, num_sequences: usize) -> Result<sys::akv_tables> {
        let mut sequences = usize::MAX;
        for list in [&self.query_start_loc, &self.kv_indptr] {
            sequences = sequences.min(list.as_ref().map_or(usize::MAX, |list| list.len().saturating_sub(1)));
        }
        sequences = sequences.min(length(&self.kv_last_page_len));
        // A row's worth of each of these is written, or read, wherever `num_rows` allows it.
        let rows = self.num_rows as usize;
        let table = match rows {
            0 => 0,
            _ => (rows - 1).saturating_mul(self.row_stride).saturating_add(self.row_width as usize),
        };
        at_least("block_table", &self.block_table, table)?;
        at_least("row_states", &self.row_states, rows)?;
        at_least("first_positions", &self.first_positions, rows)?;
        at_least("seq_lens", &self.seq_lens, rows)?;
        let listed = num_sequences.max(self.padded_sequences as usize);
        if self.row_of.is_some_and(|list| list.len() < listed) {
            return Err(Error::too_short("row_of", listed as u64, self.row_of.map_or(0, <[u32]>::len)));
        }
        Ok(sys::akv_tables {
            pad_block: self.pad_block,
            slot_capacity: length(&self.slot_mapping).min(length(&self.positions)) as u64,
            slot_mapping: pointer_mut(&mut self.slot_mapping),
            positions: pointer_mut(&mut self.positions),
            padded_slots: self.padded_slots,
            query_start_loc: pointer_mut(&mut self.query_start_loc),
            kv_indptr: pointer_mut(&mut self.kv_indptr),
            kv_indices_capacity: self.kv_indices.as_ref().map_or(0, |list| list.len()) as u64,
            kv_indices: pointer_mut(&mut self.kv_indices),
            kv_last_page_len: pointer_mut(&mut self.kv_last_page_len),
            sequence_capacity: sequences.min(u32::MAX as usize) as u32,
            padded_sequences: self.padded_sequences,
            block_table: pointer_mut(&mut self.block_table),
            row_states: pointer_mut(&mut self.row_states),
            first_positions: pointer_mut(&mut self.first_positions),
            seq_lens: pointer_mut(&mut self.seq_lens),
            row_of: pointer(self.row_of),
            row_stride: self.row_stride as u64,
            row_width: self.row_width,
            num_rows: self.num_rows,
            ..sys::akv_tables::INIT
        })
    }
}

#[inline]
fn length<T>(list: &Option<&mut [T]>) -> usize {
    list.as_ref().map_or(usize::MAX, |list| list.len())
}

#[inline]
fn at_least<T>(what: &str, list: &Option<&mut [T]>, needed: usize) -> Result<()> {
    match list {
        Some(list) if list.len() < needed => Err(Error::too_short(what, needed as u64, list.len())),
        _ => Ok(()),
    }
}

#[inline]
fn pointer<T>(list: Option<&[T]>) -> *const T {
    list.map_or(std::ptr::null(), <[T]>::as_ptr)
}

#[inline]
fn pointer_mut<T>(list: &mut Option<&mut [T]>) -> *mut T {
    list.as_mut().map_or(std::ptr::null_mut(), |list| list.as_mut_ptr())
}

impl Cache {
    /// Grow sequences and write the tables for exactly these tokens: prefill chunks and decodes in one call.
    #[inline]
    pub fn append_batch(&self, batch: &Batch<'_>, tables: Option<&mut Tables<'_>>) -> Result<Option<Plan>> {
        let (raw, mut plan) = (batch.to_raw()?, 0);
        let status = match tables {
            None => unsafe { sys::akv_sequence_append_batch(self.as_raw(), &raw, std::ptr::null(), &mut plan) },
            Some(tables) => {
                let tables = tables.raw_over(batch.sequences.len())?;
                unsafe { sys::akv_sequence_append_batch(self.as_raw(), &raw, &tables, &mut plan) }
            }
        };
        check(status)?;
        Ok(Plan::option(self, plan))
    }

    /// Write tables without growing.
    pub fn read_tables(&self, batch: &Batch<'_>, tables: &mut Tables<'_>) -> Result<()> {
        let (raw, tables) = (batch.to_raw()?, tables.raw_over(batch.sequences.len())?);
        check(unsafe { sys::akv_sequence_read_tables(self.as_raw(), &raw, &tables) })
    }

    /// [`Sequence::commit`](crate::Sequence::commit) for many; `lengths` `None`: all of each.
    pub fn commit_batch(
        &self,
        sequences: &[SequenceId],
        lengths: Option<&[u32]>,
        ticket: Option<Ticket>,
    ) -> Result<()> {
        let count = same_count(sequences, lengths)?;
        let (ids, lengths, ticket) = (sequences.as_ptr().cast(), pointer(lengths), Ticket::raw(ticket));
        check(unsafe { sys::akv_sequence_commit_batch(self.as_raw(), ids, lengths, count, ticket) })
    }

    /// The sampled tokens of a step.
    pub fn set_tokens_batch(&self, batch: &Batch<'_>) -> Result<()> {
        let raw = batch.to_raw()?;
        check(unsafe { sys::akv_sequence_set_tokens_batch(self.as_raw(), &raw) })
    }

    /// The rejected drafts of a step.
    pub fn truncate_batch(&self, sequences: &[SequenceId], lengths: &[u32], flags: TruncateFlags) -> Result<()> {
        let count = same_count(sequences, Some(lengths))?;
        let (ids, flags) = (sequences.as_ptr().cast(), flags.as_raw());
        check(unsafe { sys::akv_sequence_truncate_batch(self.as_raw(), ids, lengths.as_ptr(), count, flags) })
    }

    /// End many by id: the live ones are freed and the stale ones counted; busy ones live on.
    pub fn free_batch(&self, sequences: &[SequenceId]) -> Result<Freed> {
        let (mut freed, count) = (Freed::default(), count_of(sequences.len(), "sequences")?);
        check(unsafe {
            let ids = sequences.as_ptr().cast();
            let none = std::ptr::null_mut();
            sys::akv_sequence_free_batch(self.as_raw(), ids, count, &mut freed.freed, &mut freed.stale, none)
        })?;
        Ok(freed)
    }
}

/// What became of a batch of frees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    pub freed: u32,
    pub stale: u32,
}

fn same_count(sequences: &[SequenceId], lengths: Option<&[u32]>) -> Result<u32> {
    if lengths.is_some_and(|lengths| lengths.len() != sequences.len()) {
        let message = format!("lengths must have an element for each of {} sequences", sequences.len());
        return Err(Error::new(Status::InvalidArgument, message));
    }
    count_of(sequences.len(), "sequences")
}
