//! arena.rs: page pools: fixed pages of memory, and arenas of tensors that grow in place over them. Bytes are borrowed
//! from the arena or the pages that own them, and go back to the pool when those are dropped.
use std::ffi::c_void;
use std::sync::Arc;

use arenakv_sys as sys;

use crate::copy::raw::NOW;
use crate::error::{check, count_of, read_list, Error, Result, Status};
use crate::geometry::known;
use crate::handle::Owner;
use crate::store::CopyStats;
use crate::{Content, Dtype, Purpose, Ticket, TicketState, Tracker, View};

pub use arenakv_sys::akv_arena_info as ArenaInfo;
pub use arenakv_sys::akv_dropped as Dropped;
pub use arenakv_sys::akv_memory_view as MemoryView;
pub use arenakv_sys::akv_page_pool_state as PagePoolState;

/// Zero means default (`arenakv/arena.h`).
#[derive(Clone, Debug, Default)]
pub struct PagePoolConfig {
    /// A multiple of 256; default 2 MiB.
    pub page_bytes: u64,
    /// With memory from the start; default `max_pages`, or 64.
    pub num_pages: u32,
    /// Default `num_pages`.
    pub max_pages: u32,
    /// Default 256.
    pub max_arenas: u32,
    /// A power of two; default 16 or less.
    pub tensors_per_page: u32,
    /// Default 1024.
    pub max_open_tickets: u32,
    /// For the tracker.
    pub purpose: Option<Purpose>,
    /// Touch pages when they are reserved.
    pub prefault: bool,
    pub tracker: Option<Tracker>,
}

/// One stretch of addresses cut into pages. Any thread may call it; clones are the same pool, which ends with the last of
/// them and of their arenas and pages.
#[derive(Clone, Debug)]
pub struct PagePool {
    owner: Arc<Owner<sys::akv_page_pool>>,
}

impl PagePool {
    pub fn new(config: &PagePoolConfig) -> Result<PagePool> {
        unsafe { PagePool::over(config, std::ptr::null_mut(), 0, false) }
    }

    /// A pool over memory of yours (null: the library's). `dirty`: it is not all zeroes.
    ///
    /// # Safety
    /// The memory is there for as long as the pool, and nobody else's.
    pub unsafe fn over(
        config: &PagePoolConfig,
        memory: *mut c_void,
        memory_bytes: u64,
        dirty: bool,
    ) -> Result<PagePool> {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let raw = sys::akv_page_pool_config {
            flags: flag(config.prefault, sys::AKV_PAGE_POOL_PREFAULT) | flag(dirty, sys::AKV_PAGE_POOL_DIRTY),
            page_bytes: config.page_bytes,
            num_pages: config.num_pages,
            max_pages: config.max_pages,
            max_arenas: config.max_arenas,
            tensors_per_page: config.tensors_per_page,
            max_open_tickets: config.max_open_tickets,
            purpose: config.purpose.map_or(0, Purpose::as_raw),
            memory,
            memory_bytes,
            tracker: config.tracker.as_ref().map_or(std::ptr::null_mut(), |tracker| tracker.owner.raw()),
            ..sys::akv_page_pool_config::INIT
        };
        let outlived = config.tracker.iter().map(|tracker| tracker.owner.clone() as Arc<dyn Send + Sync>).collect();
        let owner = Owner::create_over(outlived, |out| unsafe { sys::akv_page_pool_create(&raw, out) })?;
        Ok(PagePool { owner })
    }

    /// The C handle, for `arenakv_sys`.
    pub fn as_raw(&self) -> *mut sys::akv_page_pool {
        self.owner.raw()
    }

    /// The configuration in use, with every default filled in; `tracker` is not told.
    pub fn config(&self) -> Result<PagePoolConfig> {
        let mut raw = sys::akv_page_pool_config::INIT;
        check(unsafe { sys::akv_page_pool_read_config(self.as_raw(), &mut raw) })?;
        Ok(PagePoolConfig {
            page_bytes: raw.page_bytes,
            num_pages: raw.num_pages,
            max_pages: raw.max_pages,
            max_arenas: raw.max_arenas,
            tensors_per_page: raw.tensors_per_page,
            max_open_tickets: raw.max_open_tickets,
            purpose: Purpose::from_raw(raw.purpose),
            prefault: raw.flags & sys::AKV_PAGE_POOL_PREFAULT != 0,
            tracker: None,
        })
    }

    /// End it now, with everything in it. `Busy` while tickets are open.
    ///
    /// # Safety
    /// No slice of bytes of this pool is alive: its memory is unmapped.
    pub unsafe fn close(&self) -> Result<()> {
        self.owner.close()
    }

    pub fn state(&self) -> Result<PagePoolState> {
        let mut state = PagePoolState::INIT;
        check(unsafe { sys::akv_page_pool_read_state(self.as_raw(), &mut state) })?;
        Ok(state)
    }

    /// See that at least so many pages have memory.
    pub fn reserve(&self, num_pages: u32) -> Result<()> {
        check(unsafe { sys::akv_page_pool_reserve(self.as_raw(), num_pages) })
    }

    /// What was moved: a line for each kind.
    pub fn stats(&self) -> Result<Vec<CopyStats>> {
        let size = size_of::<CopyStats>() as u32;
        read_list(8, CopyStats::INIT, |lines, capacity, count| unsafe {
            sys::akv_page_pool_read_stats(self.as_raw(), lines, size, capacity, count)
        })
    }

    /// Take pages, all or none, for this owner.
    pub fn page_acquire(&self, owner: u64, count: u32) -> Result<Pages> {
        let (mut pages, mut contents) = (vec![0; count as usize], vec![0; count as usize]);
        let (out, told) = (pages.as_mut_ptr(), contents.as_mut_ptr());
        check(unsafe { sys::akv_page_acquire(self.as_raw(), owner, out, told, count) })?;
        let contents = contents.iter().map(|content| known(Content::from_raw(*content), "content", *content));
        Ok(Pages { pool: self.clone(), pages, contents: contents.collect::<Result<_>>()? })
    }

    /// Make an arena for this owner.
    pub fn arena_create(&self, owner: u64) -> Result<Arena> {
        let mut arena = sys::AKV_NONE;
        check(unsafe { sys::akv_arena_create(self.as_raw(), owner, &mut arena) })?;
        Ok(Arena { pool: self.clone(), id: arena })
    }

    /// Open a ticket: from now on pages that go back wait for it.
    #[must_use = "a ticket that is not retired or abandoned keeps pages in quarantine"]
    pub fn ticket_open(&self) -> Result<Ticket> {
        let mut ticket = 0;
        check(unsafe { sys::akv_page_pool_ticket_open(self.as_raw(), &mut ticket) })?;
        Ok(Ticket::from_raw(ticket))
    }

    pub fn ticket_retire(&self, ticket: Ticket) -> Result<()> {
        check(unsafe { sys::akv_page_pool_ticket_retire(self.as_raw(), ticket.as_raw()) })
    }

    /// The work failed, and touches no memory any more.
    pub fn ticket_abandon(&self, ticket: Ticket) -> Result<()> {
        check(unsafe { sys::akv_page_pool_ticket_abandon(self.as_raw(), ticket.as_raw()) })
    }

    pub fn ticket_read(&self, ticket: Ticket) -> Result<TicketState> {
        let mut state = 0;
        check(unsafe { sys::akv_page_pool_ticket_read(self.as_raw(), ticket.as_raw(), &mut state) })?;
        known(TicketState::from_raw(state), "ticket state", state)
    }

    /// Emergency: drop every arena of an owner and give back every page it has acquired.
    ///
    /// # Safety
    /// No slice of bytes of this owner's arenas and pages is alive.
    pub unsafe fn drop_owner(&self, owner: u64) -> Result<Dropped> {
        let mut dropped = Dropped::INIT;
        check(unsafe { sys::akv_page_pool_drop_owner(self.as_raw(), owner, &mut dropped) })?;
        Ok(dropped)
    }

    /// The same for everybody.
    ///
    /// # Safety
    /// No slice of bytes of this pool is alive.
    pub unsafe fn drop_all(&self) -> Result<Dropped> {
        let mut dropped = Dropped::INIT;
        check(unsafe { sys::akv_page_pool_drop_all(self.as_raw(), &mut dropped) })?;
        Ok(dropped)
    }
}

/// Pages that were acquired as such; given back when this is dropped.
#[derive(Debug)]
#[must_use = "dropped, they are given back"]
pub struct Pages {
    pool: PagePool,
    pages: Vec<sys::akv_page>,
    contents: Vec<Content>,
}

impl Pages {
    /// The C handles, for `arenakv_sys`.
    pub fn as_raw(&self) -> &[u64] {
        &self.pages
    }

    /// What is in each, as it was handed out.
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// Where one lies.
    pub fn view(&self, index: usize) -> Result<MemoryView> {
        let mut view = MemoryView::INIT;
        let page = self.pages.get(index).copied().unwrap_or(sys::AKV_NONE);
        check(unsafe { sys::akv_page_read_view(self.pool.as_raw(), page, &mut view) })?;
        Ok(view)
    }

    pub fn bytes(&self, index: usize) -> Result<&[u8]> {
        let view = self.view(index)?;
        Ok(unsafe { std::slice::from_raw_parts(view.data.cast(), view.bytes as usize) })
    }

    pub fn bytes_mut(&mut self, index: usize) -> Result<&mut [u8]> {
        let view = self.view(index)?;
        Ok(unsafe { std::slice::from_raw_parts_mut(view.data.cast(), view.bytes as usize) })
    }

    /// Zero one, counted: what was another owner's, before the new one reads it.
    pub fn copy_zero(&mut self, index: usize) -> Result<()> {
        let page = self.pages.get(index).copied().unwrap_or(sys::AKV_NONE);
        check(unsafe { sys::akv_copy_zero_page(self.pool.as_raw(), page, NOW) })
    }

    /// Give them back, and hear if that went wrong.
    pub fn release(&mut self) -> Result<()> {
        let count = count_of(self.pages.len(), "pages")?;
        check(unsafe { sys::akv_page_release(self.pool.as_raw(), self.pages.as_ptr(), count) })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // Released before, they are BAD_HANDLE.
        let _ = self.release();
    }
}

/// A tensor of one arena: used through that arena, and ended with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tensor {
    id: sys::akv_tensor,
    arena: sys::akv_arena,
}

impl Tensor {
    pub fn as_raw(self) -> u64 {
        self.id
    }
}

/// Tensors placed one behind the other, dropped as a whole.
///
/// ```
/// # use arenakv::*;
/// let pool = PagePool::new(&PagePoolConfig { page_bytes: 4096, num_pages: 4, ..Default::default() })?;
/// let mut arena = pool.arena_create(7)?;
/// let (keys, content) = arena.tensor_create(1024)?;
/// assert_eq!(content, Content::Zero);
/// let at = arena.tensor_extend(keys, 3)?;
/// arena.bytes_mut(keys)?[at as usize..].copy_from_slice(b"kv!");
/// assert_eq!(arena.bytes(keys)?, b"kv!");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Arena {
    pool: PagePool,
    id: sys::akv_arena,
}

impl Arena {
    /// End it now, with all its tensors.
    pub fn close(&mut self) -> Result<()> {
        check(unsafe { sys::akv_arena_drop(self.pool.as_raw(), self.id) })
    }

    pub fn as_raw(&self) -> u64 {
        self.id
    }

    pub fn info(&self) -> Result<ArenaInfo> {
        let mut info = ArenaInfo::INIT;
        check(unsafe { sys::akv_arena_read_info(self.pool.as_raw(), self.id, &mut info) })?;
        Ok(info)
    }

    /// Place a tensor that may hold so many bytes, and holds nothing yet; and what its memory holds.
    pub fn tensor_create(&self, capacity_bytes: u64) -> Result<(Tensor, Content)> {
        let (mut tensor, mut content) = (0, 0);
        let pool = self.pool.as_raw();
        check(unsafe { sys::akv_tensor_create(pool, self.id, capacity_bytes, &mut tensor, &mut content) })?;
        Ok((Tensor { id: tensor, arena: self.id }, known(Content::from_raw(content), "content", content)?))
    }

    /// The same for the keys and values of all layers at once, all or none.
    pub fn tensor_create_batch(&self, capacity_bytes: &[u64]) -> Result<Vec<(Tensor, Content)>> {
        let count = count_of(capacity_bytes.len(), "capacity_bytes")?;
        let (mut tensors, mut contents) = (vec![0; capacity_bytes.len()], vec![0; capacity_bytes.len()]);
        let (out, told) = (tensors.as_mut_ptr(), contents.as_mut_ptr());
        let (pool, capacities) = (self.pool.as_raw(), capacity_bytes.as_ptr());
        check(unsafe { sys::akv_tensor_create_batch(pool, self.id, capacities, count, out, told) })?;
        let both = tensors.iter().zip(&contents);
        both.map(|(id, content)| {
            let tensor = Tensor { id: *id, arena: self.id };
            Ok((tensor, known(Content::from_raw(*content), "content", *content)?))
        })
        .collect()
    }

    /// Grow a tensor; where the new bytes begin. Calls of several threads get one stretch each.
    pub fn tensor_extend(&self, tensor: Tensor, bytes: u64) -> Result<u64> {
        let mut offset = 0;
        check(unsafe { sys::akv_tensor_extend(self.pool.as_raw(), self.mine(tensor)?, bytes, &mut offset) })?;
        Ok(offset)
    }

    /// Where it lies, how long it is and how long it may get.
    pub fn tensor_view(&self, tensor: Tensor) -> Result<MemoryView> {
        let mut view = MemoryView::INIT;
        check(unsafe { sys::akv_tensor_read_view(self.pool.as_raw(), self.mine(tensor)?, &mut view) })?;
        Ok(view)
    }

    /// Its bytes from `offset` on as a packed tensor; one of the sizes may be -1.
    pub fn tensor_shape(&self, tensor: Tensor, offset: u64, dtype: Dtype, shape: &[i64]) -> Result<View<'_>> {
        let (mut view, count, id) = (sys::akv_view::INIT, count_of(shape.len(), "shape")?, self.mine(tensor)?);
        let (pool, dtype, shape) = (self.pool.as_raw(), dtype.as_raw(), shape.as_ptr());
        check(unsafe { sys::akv_tensor_read_shape(pool, id, offset, dtype, shape, count, &mut view) })?;
        Ok(unsafe { View::from_raw(view) })
    }

    /// The bytes that it has now.
    pub fn bytes(&self, tensor: Tensor) -> Result<&[u8]> {
        let view = self.tensor_view(tensor)?;
        Ok(unsafe { std::slice::from_raw_parts(view.data.cast(), view.bytes as usize) })
    }

    pub fn bytes_mut(&mut self, tensor: Tensor) -> Result<&mut [u8]> {
        let view = self.tensor_view(tensor)?;
        Ok(unsafe { std::slice::from_raw_parts_mut(view.data.cast(), view.bytes as usize) })
    }

    /// Copy bytes into a tensor, from byte `offset` on, counted. Grow it first.
    pub fn copy_to_tensor(&mut self, tensor: Tensor, offset: u64, source: &[u8]) -> Result<()> {
        let (pool, id, data) = (self.pool.as_raw(), self.mine(tensor)?, source.as_ptr().cast());
        check(unsafe { sys::akv_copy_to_tensor(pool, id, offset, data, source.len() as u64, NOW) })
    }

    /// Copy bytes of a tensor out, counted.
    pub fn copy_from_tensor(&self, tensor: Tensor, offset: u64, target: &mut [u8]) -> Result<()> {
        let (pool, id, data) = (self.pool.as_raw(), self.mine(tensor)?, target.as_mut_ptr().cast());
        check(unsafe { sys::akv_copy_from_tensor(pool, id, offset, data, target.len() as u64, NOW) })
    }

    /// Copy bytes of one tensor to another, or inside one: overlapping is fine.
    pub fn copy_tensor(
        &mut self,
        (from, from_offset): (Tensor, u64),
        (to, to_offset): (Tensor, u64),
        bytes: u64,
    ) -> Result<()> {
        let (pool, from, to) = (self.pool.as_raw(), self.mine(from)?, self.mine(to)?);
        check(unsafe { sys::akv_copy_tensor(pool, from, from_offset, to, to_offset, bytes, NOW) })
    }

    /// Zero a tensor, all of its capacity: what was another owner's, before the new one reads it.
    pub fn copy_zero_tensor(&mut self, tensor: Tensor) -> Result<()> {
        check(unsafe { sys::akv_copy_zero_tensor(self.pool.as_raw(), self.mine(tensor)?, NOW) })
    }

    /// Bytes are borrowed from their arena, so another arena's tensor is none of this one's business.
    fn mine(&self, tensor: Tensor) -> Result<sys::akv_tensor> {
        if tensor.arena == self.id {
            return Ok(tensor.id);
        }
        Err(Error::new(Status::BadHandle, "this tensor is another arena's"))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // Closed before, it is BAD_HANDLE.
        unsafe { sys::akv_arena_drop(self.pool.as_raw(), self.id) };
    }
}
