//! stream.rs: an order of work, and scopes in which work is queued on one. What queued work reads and writes is borrowed
//! until the scope has ended, and a scope ends when all of its work has passed: so no buffer is freed under a copy.
use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use arenakv_sys as sys;

use crate::copy::raw::{self, StorePointer};
use crate::error::{check, Error, Result, Status};
use crate::handle::Owner;
use crate::store::StoreCore;
use crate::{BlocksFlags, Cache, Plan, RunFlags, Span, SpanMut, Store, Ticket, TokenData, TokenDataMut};

/// Zero means default (`arenakv/stream.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamConfig {
    /// Threads that do the work; 0: it is done inside the calls.
    pub num_workers: u32,
    /// Pieces of work that may be queued; default 1024.
    pub queue_items: u32,
    /// Room for the work's arguments; default 4 MiB.
    pub queue_bytes: u64,
}

/// An order of work: what is queued first is done first.
#[derive(Debug)]
pub struct Stream {
    pub(crate) owner: Arc<Owner<sys::akv_stream>>,
}

impl Stream {
    pub fn new(config: &StreamConfig) -> Result<Stream> {
        let raw = sys::akv_stream_config {
            num_workers: config.num_workers,
            queue_items: config.queue_items,
            queue_bytes: config.queue_bytes,
            ..sys::akv_stream_config::INIT
        };
        Ok(Stream { owner: Owner::create(|out| unsafe { sys::akv_stream_create(&raw, out) })? })
    }

    /// End it now. `Busy` while work is queued, or tickets wait for a poll.
    pub fn close(&mut self) -> Result<()> {
        self.owner.close()
    }

    /// The C handle, for `arenakv_sys`.
    pub fn as_raw(&self) -> *mut sys::akv_stream {
        self.owner.raw()
    }

    /// The point behind everything queued so far.
    pub fn record(&self) -> Result<u64> {
        let mut point = 0;
        check(unsafe { sys::akv_stream_record(self.as_raw(), &mut point) })?;
        Ok(point)
    }

    /// Has it passed a point?
    pub fn read(&self, point: u64) -> Result<bool> {
        let mut passed = 0;
        check(unsafe { sys::akv_stream_read(self.as_raw(), point, &mut passed) })?;
        Ok(passed != 0)
    }

    /// What is queued here from now on waits until `other` has passed `point`.
    pub fn follow(&self, other: &Stream, point: u64) -> Result<()> {
        check(unsafe { sys::akv_stream_follow(self.as_raw(), other.as_raw(), point) })
    }

    /// Readable while it has passed something since it was last read: for epoll. Read 8 bytes to reset it, then poll.
    pub fn read_fd(&self) -> Result<BorrowedFd<'_>> {
        let mut fd = -1;
        check(unsafe { sys::akv_stream_read_fd(self.as_raw(), &mut fd) })?;
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Retire `ticket` when all that is queued now has passed; polling and waiting do it.
    pub fn record_ticket(&self, cache: &Cache, ticket: Ticket) -> Result<()> {
        check(unsafe { sys::akv_stream_record_ticket(self.as_raw(), cache.as_raw(), ticket.as_raw()) })
    }

    /// Do what waits for points that have been passed: retire tickets, finish plans. How many that was.
    pub fn poll(&self) -> Result<u32> {
        let mut done = 0;
        check(unsafe { sys::akv_stream_poll(self.as_raw(), &mut done) })?;
        Ok(done)
    }

    /// Wait until it has passed `point` (`None`: all that is queued now), then poll. `Timeout`: nothing was given up.
    pub fn wait(&self, point: Option<u64>, timeout: Duration) -> Result<()> {
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        check(unsafe { sys::akv_stream_wait(self.as_raw(), point.unwrap_or(sys::AKV_POINT_ALL), nanoseconds) })
    }

    /// Queue work inside `body`, and wait for all of it. What the work uses is borrowed for the whole scope. Fails with
    /// `VerifyFailed` where a copy differed, and with `Busy` inside a function of this stream.
    ///
    /// ```
    /// # use arenakv::*;
    /// # let groups = vec![LayerGroup::keys_and_values(1, 1, 4, Dtype::F32)];
    /// # let cache = Cache::new(&CacheConfig { groups, ..Default::default() })?;
    /// # let mut store = Store::new(&cache, &StoreConfig::default())?;
    /// let stream = Stream::new(&StreamConfig { num_workers: 1, ..Default::default() })?;
    /// let (keys, mut back) = ([1.5f32; 4], [0.0f32; 4]);
    /// stream.scope(|scope| -> Result<()> {
    ///     let store = scope.store(&mut store);
    ///     scope.copy_write_tokens(store, 0, &[16], &[TokenData::new(0, &keys)])?;
    ///     scope.copy_read_tokens(store, 0, &[16], [TokenDataMut::new(0, &mut back)])
    /// })??;
    /// assert_eq!(back, keys);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// A buffer can't be freed, and can't be looked at, while work may use it:
    ///
    /// ```compile_fail,E0597
    /// # use arenakv::*;
    /// # fn queue(stream: &Stream, store: &mut Store) -> Result<()> {
    /// stream.scope(|scope| {
    ///     let keys = vec![1.5f32; 4];
    ///     let store = scope.store(store);
    ///     scope.copy_write_tokens(store, 0, &[16], &[TokenData::new(0, &keys)]).unwrap();
    /// })
    /// # }
    /// ```
    pub fn scope<'env, R>(&self, body: impl FnOnce(&Scope<'_, 'env>) -> R) -> Result<R> {
        // Who is inside a function of this stream could never see its scope end.
        match self.wait(None, Duration::ZERO) {
            Err(error) if error.status() != Status::Timeout => return Err(error),
            _ => {}
        }
        let scope = Scope { stream: self, env: PhantomData };
        let result = catch_unwind(AssertUnwindSafe(|| body(&scope)));
        let ended = self.wait_for_all();
        match result {
            Ok(result) => ended.map(|()| result),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// However long it takes: what is queued may use memory that is given back after this.
    fn wait_for_all(&self) -> Result<()> {
        loop {
            match self.wait(None, Duration::from_secs(60)) {
                Err(error) if matches!(error.status(), Status::Timeout | Status::Busy) => std::thread::yield_now(),
                result => return result,
            }
        }
    }
}

/// Where work is queued; [`Stream::scope`] makes one. Calls return at once where the stream has workers.
#[derive(Debug)]
pub struct Scope<'stream, 'env> {
    stream: &'stream Stream,
    // 'env may not be made shorter: what was queued with it would outlive it.
    env: PhantomData<Cell<&'env mut &'env ()>>,
}

/// A store inside a scope: all work on it is in the order of the scope's stream.
#[derive(Clone, Copy, Debug)]
pub struct ScopedStore<'env> {
    pub(crate) core: &'env StoreCore,
    stream: *mut sys::akv_stream,
}

type Call<'env> = Box<dyn FnOnce() + Send + 'env>;

impl<'env> Scope<'_, 'env> {
    /// Use a store in this scope, and nowhere else while it lasts.
    pub fn store(&self, store: &'env mut Store) -> ScopedStore<'env> {
        ScopedStore { core: &store.core, stream: self.stream.as_raw() }
    }

    pub fn stream(&self) -> &Stream {
        self.stream
    }

    /// A store of another scope has another stream, and no order with this one.
    pub(crate) fn core(&self, store: ScopedStore<'env>) -> Result<&'env StoreCore> {
        if store.stream == self.stream.as_raw() {
            return Ok(store.core);
        }
        Err(Error::new(Status::InvalidArgument, "this store is used in the scope of another stream"))
    }

    pub(crate) fn raw_stores(&self, stores: &[ScopedStore<'env>]) -> Result<Vec<StorePointer>> {
        stores.iter().map(|store| Ok(self.core(*store)?.owner.raw())).collect()
    }

    pub(crate) fn raw(&self) -> *mut sys::akv_stream {
        self.stream.as_raw()
    }

    /// See [`Store::copy_write_tokens`].
    pub fn copy_write_tokens(
        &self,
        store: ScopedStore<'env>,
        layer: u32,
        slots: &[i64],
        planes: &[TokenData<'env>],
    ) -> Result<()> {
        let core = self.core(store)?;
        let data = planes.iter().map(|plane| plane.to_raw(core, slots.len())).collect::<Result<Vec<_>>>()?;
        raw::write_tokens(core, layer, slots, &data, self.raw())
    }

    /// See [`Store::copy_read_tokens`].
    pub fn copy_read_tokens(
        &self,
        store: ScopedStore<'env>,
        layer: u32,
        slots: &[i64],
        planes: impl IntoIterator<Item = TokenDataMut<'env>>,
    ) -> Result<()> {
        let core = self.core(store)?;
        let data = planes.into_iter().map(|plane| plane.to_raw(core, slots.len())).collect::<Result<Vec<_>>>()?;
        raw::read_tokens(core, layer, slots, &data, self.raw())
    }

    /// See [`Store::copy_gather`].
    pub fn copy_gather(&self, store: ScopedStore<'env>, spans: impl IntoIterator<Item = SpanMut<'env>>) -> Result<()> {
        let core = self.core(store)?;
        let spans = spans.into_iter().map(|span| span.to_raw(core)).collect::<Result<Vec<_>>>()?;
        raw::gather(core, &spans, self.raw())
    }

    /// See [`Store::copy_scatter`].
    pub fn copy_scatter(&self, store: ScopedStore<'env>, spans: &[Span<'env>]) -> Result<()> {
        let core = self.core(store)?;
        let spans = spans.iter().map(|span| span.to_raw(core)).collect::<Result<Vec<_>>>()?;
        raw::scatter(core, &spans, self.raw())
    }

    /// See [`Store::copy_zero`].
    pub fn copy_zero(&self, store: ScopedStore<'env>, blocks: &[i32]) -> Result<()> {
        raw::zero(self.core(store)?, blocks, self.raw())
    }

    /// See [`Store::copy_blocks`]; both may be one store.
    pub fn copy_blocks(
        &self,
        (from, from_blocks): (ScopedStore<'env>, &[i32]),
        (to, to_blocks): (ScopedStore<'env>, &[i32]),
        flags: BlocksFlags,
    ) -> Result<()> {
        raw::blocks((self.core(from)?, from_blocks), (self.core(to)?, to_blocks), flags, self.raw())
    }

    /// See [`Store::copy_converted`].
    pub fn copy_converted(
        &self,
        (from, from_blocks, from_scales): (ScopedStore<'env>, &[i32], Option<&'env [f32]>),
        (to, to_blocks, to_scales): (ScopedStore<'env>, &[i32], Option<&'env [f32]>),
    ) -> Result<()> {
        let from = (self.core(from)?, from_blocks, from_scales);
        raw::converted(from, (self.core(to)?, to_blocks, to_scales), self.raw())
    }

    /// See [`Plan::copy_run`].
    pub fn copy_run(&self, plan: &Plan, stores: &[ScopedStore<'env>], flags: RunFlags) -> Result<()> {
        raw::run(plan, &self.raw_stores(stores)?, flags.as_raw(), self.raw())
    }

    /// Run the records; polling finishes the plan when they have passed, or abandons it if a copy differs.
    pub fn copy_run_and_finish(&self, plan: &mut Plan, stores: &[ScopedStore<'env>], flags: RunFlags) -> Result<()> {
        raw::run(plan, &self.raw_stores(stores)?, flags.as_raw() | sys::AKV_RUN_FINISH, self.raw())?;
        plan.set_ended();
        Ok(())
    }

    /// Queue a call: completion as a callback. It runs in a worker, or at once where there are none; a panic in it is
    /// caught, and told by the panic hook alone.
    pub fn call(&self, function: impl FnOnce() + Send + 'env) -> Result<()> {
        unsafe extern "C" fn run(context: *mut c_void) {
            let function = unsafe { Box::from_raw(context.cast::<Call<'_>>()) };
            // A panic must not cross C.
            let _ = catch_unwind(AssertUnwindSafe(function));
        }
        let context = Box::into_raw(Box::new(Box::new(function) as Call<'env>));
        let queued = check(unsafe { sys::akv_stream_call(self.raw(), Some(run), context.cast()) });
        if queued.is_err() {
            // It was not queued, and never runs: `run` throws nothing.
            drop(unsafe { Box::from_raw(context) });
        }
        queued
    }
}
