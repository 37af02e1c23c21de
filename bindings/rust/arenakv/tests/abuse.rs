//! abuse.rs: what a caller can do wrong, from Rust: stale handles, use after close, work under a panic, many threads,
//! fork(). Each is an error, never a crash; what the compiler refuses is in the examples that must not compile.
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arenakv::*;

fn config() -> CacheConfig {
    let groups = vec![LayerGroup::keys_and_values(2, 2, 4, Dtype::F32)];
    CacheConfig { num_blocks: 64, block_tokens: 4, num_swap_blocks: 8, groups, ..Default::default() }
}

fn cache() -> Cache {
    Cache::new(&config()).unwrap()
}

fn create(cache: &Cache, tokens: &[i32]) -> Created {
    cache.create(&Prompt::new(tokens), &Default::default()).unwrap()
}

fn status<T>(result: Result<T>) -> Option<Status> {
    result.err().map(|error| error.status())
}

#[test]
fn b6_a_stale_handle_is_an_error_and_changes_nothing() {
    let cache = cache();
    let mut sequence = create(&cache, &[1, 2, 3]).sequence;
    sequence.free().unwrap();
    assert_eq!(status(sequence.free()), Some(Status::BadHandle));
    assert_eq!(status(sequence.append(&[4])), Some(Status::BadHandle));
    assert_eq!(status(sequence.info()), Some(Status::BadHandle));
    let live = create(&cache, &[5; 8]).sequence;
    let other = Cache::new(&config()).unwrap();
    assert_eq!(status(other.sequence(live.id()).info()), Some(Status::BadHandle));
    assert_eq!(status(cache.plan(PlanId::from_raw(live.id().as_raw())).info()), Some(Status::WrongType));
    for made_up in [0, 1, u64::MAX, live.id().as_raw() ^ 1 << 40] {
        assert!(cache.sequence(SequenceId::from_raw(made_up)).info().is_err());
        assert!(cache.pin(PinId::from_raw(made_up)).unpin().is_err());
        assert!(cache.lease(LeaseId::from_raw(made_up)).blocks().is_err());
    }
    assert_eq!(status(cache.ticket_retire(Ticket::from_raw(1))), Some(Status::BadHandle));
    assert_eq!(cache.state().unwrap().sequences, 1);
    cache.audit_all().unwrap();
}

#[test]
fn s1_whatever_comes_after_close_is_bad_handle() {
    let cache = cache();
    let mut sequence = create(&cache, &[1, 2, 3]).sequence;
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let mut stream = Stream::new(&Default::default()).unwrap();
    let pool = PagePool::new(&Default::default()).unwrap();
    let mut arena = pool.arena_create(1).unwrap();
    let tensor = arena.tensor_create(100).unwrap().0;
    cache.close().unwrap();
    assert_eq!(status(cache.close()), Some(Status::BadHandle));
    assert_eq!(status(cache.state()), Some(Status::BadHandle));
    assert_eq!(status(sequence.append(&[4])), Some(Status::BadHandle));
    assert_eq!(status(Store::new(&cache, &Default::default())), Some(Status::BadHandle));
    store.copy_zero(&[1]).expect("a store keeps the geometry, not the cache");
    store.close().unwrap();
    assert_eq!(status(store.view(0, 0)), Some(Status::BadHandle));
    assert_eq!(status(store.copy_zero(&[1])), Some(Status::BadHandle));
    stream.close().unwrap();
    assert_eq!(status(stream.record()), Some(Status::BadHandle));
    assert_eq!(status(stream.scope(|_| ())), Some(Status::BadHandle));
    arena.close().unwrap();
    assert_eq!(status(arena.bytes(tensor)), Some(Status::BadHandle));
    unsafe { pool.close() }.unwrap();
    assert_eq!(status(pool.arena_create(1)), Some(Status::BadHandle));
}

#[test]
fn things_end_in_any_order() {
    let tracker = Tracker::new(0).unwrap();
    let first = cache();
    let created = create(&first, &[1, 2, 3]);
    let config = StoreConfig { tracker: Some(tracker.clone()), ..Default::default() };
    let store = Store::new(&first, &config).unwrap();
    assert_eq!(status(tracker.close()), Some(Status::Busy), "a store records here");
    drop((first, config));
    assert_eq!(created.sequence.blocks().unwrap(), [1], "a sequence keeps its cache");
    assert!(tracker.totals(None, Some(Purpose::KvCache)).unwrap().bytes >= 65 * 4 * 2 * 2 * 2 * 16);
    drop(store);
    assert_eq!(tracker.totals(None, None).unwrap().bytes, 0);

    let all = cache();
    let mut quantized = config_of(Format::I8);
    quantized.num_blocks = 8;
    let small = Cache::new(&quantized).unwrap();
    let mut store = Store::new(&small, &Default::default()).unwrap();
    let (tail, rings) = Tail::new(&store, &Default::default(), &Default::default()).unwrap();
    assert_eq!(status(store.close()), Some(Status::Busy), "a tail is made of it");
    drop((rings, store));
    assert_eq!(tail.info().unwrap().open_rows, 0, "a tail keeps its stores");
    all.audit().unwrap();
}

fn config_of(format: Format) -> CacheConfig {
    let mut group = LayerGroup::keys_and_values(1, 2, 32, Dtype::F32);
    group.choose(format, 4).unwrap();
    CacheConfig { block_tokens: 4, groups: vec![group], ..Default::default() }
}

#[test]
fn a_plan_that_is_dropped_is_abandoned() {
    let cache = cache();
    let mut parent = create(&cache, &[1, 2, 3]).sequence;
    parent.commit(3, None).unwrap();
    let mut child = parent.fork(None, &Default::default()).unwrap();
    drop(child.append(&[4]).unwrap().expect("a shared block"));
    assert_eq!((child.info().unwrap().length, cache.state().unwrap().plans), (3, 0));
    let id = child.append(&[4]).unwrap().expect("a shared block").into_id();
    assert_eq!(child.info().unwrap().plan, Some(id), "given up on purpose, it stays open");
    drop(cache.plan(id));
    cache.audit_all().unwrap();
}

#[test]
fn slices_that_are_too_short_are_refused_before_the_call() {
    let cache = cache();
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let short = [0.0f32; 15]; // 2 tokens of 2 heads of 4 elements are 16
    let error = store.copy_write_tokens(0, &[4, 5], &[TokenData::new(0, &short)]).unwrap_err();
    assert_eq!((error.status(), error.needed(), error.available()), (Status::BufferTooSmall, 64, 60));
    let strided = TokenData::new(0, &[0.0f32; 16]).strides(64, 0);
    assert_eq!(status(store.copy_write_tokens(0, &[4, 5], &[strided])), Some(Status::BufferTooSmall));
    let backwards = TokenData::new(0, &[0.0f32; 16]).strides(-32, 0);
    assert_eq!(status(store.copy_write_tokens(0, &[4, 5], &[backwards])), Some(Status::InvalidArgument));
    let far = TokenData::new(0, &[0.0f32; 16]).strides(i64::MAX, i64::MAX);
    assert_eq!(status(store.copy_write_tokens(0, &[4, 5, 6, 7], &[far])), Some(Status::OutOfRange));
    let unaligned = [0u8; 65];
    let odd = usize::from(unaligned.as_ptr() as usize % 4 == 0);
    let odd = TokenData::new(0, &unaligned[odd..odd + 64]).numbers(Dtype::F32);
    assert_eq!(status(store.copy_write_tokens(0, &[4, 5], &[odd])), Some(Status::InvalidArgument));
    let mut packed = [0u8; 127]; // 2 layers x 2 planes x 32 bytes a token
    let span = SpanMut::new(&[1], 0, 1, &mut packed);
    assert_eq!(status(store.copy_gather(&mut [span])), Some(Status::BufferTooSmall));

    let ids = [create(&cache, &[1]).sequence.into_id(), create(&cache, &[2]).sequence.into_id()];
    let batch = Batch { sequences: &ids, ..Default::default() };
    let mut lengths = [0i32; 1];
    let mut tables = Tables { seq_lens: Some(&mut lengths), num_rows: 2, ..Default::default() };
    assert_eq!(status(cache.append_batch(&batch, Some(&mut tables))), Some(Status::BufferTooSmall));
    let mut table = [0i32; 9];
    let mut tables =
        Tables { block_table: Some(&mut table), row_stride: 5, row_width: 5, num_rows: 2, ..Default::default() };
    assert_eq!(status(cache.append_batch(&batch, Some(&mut tables))), Some(Status::BufferTooSmall));
    let far = Tables { row_of: Some(&[0, 2]), seq_lens: Some(&mut [0; 2]), num_rows: 2, ..Default::default() };
    assert_eq!(status(cache.append_batch(&batch, Some(&mut { far }))), Some(Status::BufferTooSmall));
    let odd = Batch { num_tokens: Some(&[1]), ..batch };
    assert_eq!(status(cache.append_batch(&odd, None)), Some(Status::InvalidArgument));
    assert_eq!(status(cache.commit_batch(&ids, Some(&[1]), None)), Some(Status::InvalidArgument));

    let (query, mut out) = ([0.0f32; 8], [0.0f32; 7]);
    let attention = Attention { num_sequences: 1, query_heads: 2, ..Default::default() };
    let rows = Rows { dtype: Dtype::F32, query: &query, out: &mut out, log_sums: None };
    let part = AttentionPart::new(&store, &[1], 1, &[1]);
    assert_eq!(status(attention.decode(rows, &[part])), Some(Status::BufferTooSmall));
    let mut out = [0.0f32; 8];
    let rows = Rows { dtype: Dtype::F32, query: &query, out: &mut out, log_sums: None };
    let part = AttentionPart::new(&store, &[1], 1, &[5]);
    assert_eq!(status(attention.decode(rows, &[part])), Some(Status::BufferTooSmall), "5 tokens are 2 blocks");
    cache.free_batch(&ids).unwrap();
}

#[test]
fn numbers_that_a_caller_may_change_are_not_believed() {
    let mut model = Model::find("llama-3-8b").unwrap();
    model.numbers.struct_size = 4096;
    let request = PlannerRequest { struct_size: 4096, context_tokens: 4096, ..Default::default() };
    assert_eq!(model.need(&request).unwrap().context_tokens, 4096);
}

#[test]
fn what_belongs_to_another_is_refused() {
    let pool = PagePool::new(&Default::default()).unwrap();
    let (mut one, other) = (pool.arena_create(1).unwrap(), pool.arena_create(1).unwrap());
    let tensor = other.tensor_create(100).unwrap().0;
    assert_eq!(status(one.bytes_mut(tensor)), Some(Status::BadHandle));

    let cache = cache();
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let mut swap = Store::new(&cache, &StoreConfig { columns: Columns::SwapBlocks, ..Default::default() }).unwrap();
    let mut pager = Pager::new(&cache, &[&store, &swap]).unwrap();
    let strange = pager.copy_make_resident(&[], None, &mut [&mut store]);
    assert_eq!(status(strange), Some(Status::InvalidArgument), "it would write to a store that others may look at");
    assert_eq!(pager.copy_make_resident(&[], None, &mut [&mut swap, &mut store]).unwrap().pending, 0);

    let streams = [0, 0].map(|num_workers| Stream::new(&StreamConfig { num_workers, ..Default::default() }).unwrap());
    let crossed = streams[0].scope(|outer| {
        let store = outer.store(&mut store);
        streams[1].scope(|inner| inner.copy_zero(store, &[1])).unwrap()
    });
    assert_eq!(status(crossed.unwrap()), Some(Status::InvalidArgument));
}

#[test]
fn a_scope_waits_for_its_work_even_under_a_panic() {
    let cache = cache();
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let stream = Stream::new(&StreamConfig { num_workers: 1, ..Default::default() }).unwrap();
    let (gate, ran) = (AtomicU32::new(0), AtomicU32::new(0));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        stream.scope(|scope| {
            let store = scope.store(&mut store);
            scope
                .call(|| {
                    while gate.load(Ordering::Acquire) == 0 {
                        std::thread::yield_now();
                    }
                })
                .unwrap();
            scope.copy_zero(store, &[1, 2, 3]).unwrap();
            scope.call(|| ran.store(1, Ordering::Release)).unwrap();
            gate.store(1, Ordering::Release);
            panic!("with work queued");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(ran.load(Ordering::Acquire), 1, "the scope has ended, and so has its work");
    assert_eq!(store.stats().unwrap()[0].items, 3);
}

#[test]
fn a_function_of_a_stream_can_t_wait_for_itself() {
    let stream = Stream::new(&StreamConfig { num_workers: 1, ..Default::default() }).unwrap();
    let told = std::sync::Mutex::new(None);
    stream.scope(|scope| scope.call(|| *told.lock().unwrap() = status(stream.scope(|_| ())))).unwrap().unwrap();
    assert_eq!(*told.lock().unwrap(), Some(Status::Busy));
}

#[test]
fn a_panic_in_a_callback_does_not_cross_c() {
    let cache = cache();
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    assert_eq!(status(store.warm_up(|_, _| panic!("in progress"))), Some(Status::Callback));
    let stream = Stream::new(&StreamConfig { num_workers: 1, ..Default::default() }).unwrap();
    stream.scope(|scope| scope.call(|| panic!("in a worker"))).unwrap().unwrap();
    stream.wait(None, Duration::from_secs(60)).unwrap();
    set_log(Some((LogLevel::Info, Box::new(|_, _| panic!("in a log"))))).unwrap();
    drop(self::cache()); // it logs that it was created
    set_log(None).unwrap();
}

#[test]
fn s3_many_threads_on_one_cache_and_on_one_sequence() {
    let cache = Cache::new(&CacheConfig { num_blocks: 2048, max_sequences: 64, ..config() }).unwrap();
    let contested = create(&cache, &[1]).sequence;
    let (id, appended) = (contested.id(), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, appended) = (&cache, &appended);
            scope.spawn(move || {
                for round in 0..200 {
                    let mut own = create(cache, &[thread, round, 3, 4, 5]).sequence;
                    assert!(own.append(&[6, 7]).unwrap().is_none());
                    own.commit(7, None).unwrap();
                    match cache.append_batch(&Batch { sequences: &[id], ..Default::default() }, None) {
                        Ok(plan) => appended.fetch_add(u32::from(plan.is_none()), Ordering::Relaxed),
                        Err(error) => u32::from(error.status() != Status::Busy) * 1_000_000,
                    };
                }
            });
        }
    });
    assert_eq!(contested.info().unwrap().length, 1 + appended.load(Ordering::Relaxed));
    cache.audit_all().unwrap();
}

extern "C" {
    fn fork() -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(status: i32) -> !;
}

#[test]
fn a_child_of_fork_is_told_so() {
    let cache = cache();
    let sequence = create(&cache, &[1, 2, 3]).sequence;
    let stream = Stream::new(&StreamConfig { num_workers: 1, ..Default::default() }).unwrap();
    let child = unsafe { fork() };
    if child == 0 {
        let told = status(cache.state()) == Some(Status::Forked) && status(sequence.info()) == Some(Status::Forked);
        let scoped = stream.scope(|_| ()).is_err();
        drop((sequence, stream));
        let closed = cache.close().is_ok();
        unsafe { _exit(if told && scoped && closed { 42 } else { 1 }) };
    }
    let mut ended = 0;
    assert_eq!(unsafe { waitpid(child, &mut ended, 0) }, child);
    assert_eq!(ended >> 8, 42);
    assert_eq!(sequence.info().unwrap().length, 3, "the parent goes on");
}
