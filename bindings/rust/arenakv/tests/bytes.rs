//! bytes.rs: what moves bytes does what the headers promise when it is called from Rust: views, conversions, attention,
//! swap on a stream, paging, two tiers, images, pages. The library's own tests look deeper; here it is arguments that count.
use std::time::Duration;

use arenakv::*;

const BLOCK: u32 = 4;

fn cache_of(group: LayerGroup, num_swap_blocks: u32) -> Cache {
    let (num_blocks, groups) = (8, vec![group]);
    Cache::new(&CacheConfig { num_blocks, block_tokens: BLOCK, num_swap_blocks, groups, ..Default::default() }).unwrap()
}

fn group(num_layers: u32) -> LayerGroup {
    LayerGroup::keys_and_values(num_layers, 2, 32, Dtype::F32)
}

/// Numbers of some size, other ones for each seed.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32).map(|i| ((i * 37 + seed * 101) % 97) as f32 / 48.5 - 1.0).collect()
}

fn close_to(one: &[f32], other: &[f32], tolerance: f32) {
    assert_eq!(one.len(), other.len());
    for (a, b) in one.iter().zip(other) {
        assert!((a - b).abs() <= tolerance, "{a} and {b}");
    }
}

fn moved(store: &Store, kind: Moved) -> u64 {
    let of_kind = |line: &&CopyStats| line.kind == kind.as_raw();
    store.stats().unwrap().iter().find(of_kind).map_or(0, |line| line.bytes)
}

#[test]
fn a4_views_slice_reshape_and_permute_without_a_copy() {
    let cache = cache_of(group(2), 0);
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let keys = numbers(2 * 64, 1);
    store.copy_write_tokens(1, &[4, 6], &[TokenData::new(0, &keys)]).unwrap();
    let view = store.view(1, 0).unwrap();
    assert_eq!((view.shape(), view.dtype()), (&[9, 4, 2, 32][..], Some(Dtype::F32)));
    assert_eq!(view.get::<f32>(&[1, 2, 1, 31]), Some(keys[127]));
    assert_eq!((view.get::<f32>(&[1, 4, 0, 0]), view.get::<u16>(&[1, 2, 1, 31])), (None, None));
    let token = view.slice(0, 1, 1).unwrap().slice(1, 0, 1).unwrap();
    assert_eq!(token.reshape(&[-1]).unwrap().as_slice::<f32>().unwrap(), &keys[..64]);
    let turned = view.permute(&[0, 2, 1, 3]).unwrap();
    assert_eq!(turned.shape(), [9, 2, 4, 32]);
    assert_eq!(turned.as_slice::<f32>().unwrap_err().status(), Status::NotContiguous);
    assert_eq!(view.permute(&[0, 1]).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(view.as_slice::<f64>().unwrap_err().status(), Status::InvalidArgument);
    store.check_view(&view).unwrap();
    store.view_mut(1, 0).unwrap().as_mut_slice::<f32>().unwrap().fill(2.0);
    let mut back = [0.0f32; 64];
    store.copy_read_tokens(1, &[35], &mut [TokenDataMut::new(0, &mut back)]).unwrap();
    assert_eq!(back, [2.0; 64]);
    let sequence = store.sequence_view(1, 0, &[3, 4], 6).unwrap();
    assert_eq!(sequence.shape(), [6, 2, 32]);
}

#[test]
fn a11_shards_and_strides_are_measured_as_the_library_does() {
    let cache = cache_of(group(2), 0);
    let config = StoreConfig { first_head: 1, num_heads: 1, layers: vec![1], ..Default::default() };
    let mut shard = Store::new(&cache, &config).unwrap();
    let fused = numbers(2 * 200, 3); // keys of two tokens inside rows of 200 numbers
    shard.copy_write_tokens(1, &[4, 5], &[TokenData::new(0, &fused[40..272]).strides(800, 0)]).unwrap();
    let mut back = vec![0.0f32; 64];
    shard.copy_read_tokens(1, &[4, 5], &mut [TokenDataMut::new(0, &mut back)]).unwrap();
    assert_eq!((&back[..32], &back[32..]), (&fused[40..72], &fused[240..272]));
    assert_eq!(shard.span_bytes(1, 1, 3, None).unwrap(), 3 * 2 * 32 * 4);
    assert_eq!(shard.region(1, 0).unwrap().token_stride, 128);
    assert_eq!(shard.region(0, 0).unwrap_err().status(), Status::OutOfRange);
}

#[test]
fn d5_codes_become_numbers_and_stores_of_other_formats_are_converted() {
    let full = cache_of(group(1), 0);
    let mut exact = Store::new(&full, &Default::default()).unwrap();
    for format in [Format::I8, Format::F8, Format::F8Token, Format::K8v4, Format::I4] {
        let mut quantized = group(1);
        quantized.choose(format, BLOCK).unwrap();
        let small = cache_of(quantized, 0);
        let mut codes = Store::new(&small, &Default::default()).unwrap();
        let packed = numbers(2 * 4 * 64, 5);
        codes.copy_scatter(&[Span::new(&[2], 0, 4, &packed).numbers(Dtype::F32)]).unwrap();
        let mut back = vec![0.0f32; packed.len()];
        codes.copy_gather(&mut [SpanMut::new(&[2], 0, 4, &mut back).numbers(Dtype::F32)]).unwrap();
        close_to(&back, &packed, 0.2);
        codes.copy_converted(&[2], None, &mut exact, &[7], None).unwrap();
        let mut copied = vec![0.0f32; packed.len()];
        exact.copy_gather(&mut [SpanMut::new(&[7], 0, 4, &mut copied)]).unwrap();
        assert_eq!(copied, back, "{format:?}");
        let short = codes.copy_converted(&[2], Some(&[1.0; 3]), &mut exact, &[7], None).unwrap_err();
        assert_eq!((short.status(), short.needed()), (Status::BufferTooSmall, 4));
    }
    let mut scaled = group(1);
    scaled.choose(Format::I8, BLOCK).unwrap();
    let mut store = Store::new(&cache_of(scaled, 0), &Default::default()).unwrap();
    let (codes, scales) = ([7i8; 64], [0.5f32, 2.0]);
    let data = TokenData::new(0, &codes).scales(&scales);
    store.copy_write_tokens(0, &[4], &[data]).unwrap();
    let mut back = [0.0f32; 64];
    store.copy_read_tokens(0, &[4], &mut [TokenDataMut::new(0, &mut back).numbers(Dtype::F32)]).unwrap();
    assert_eq!((back[0], back[63]), (3.5, 14.0));
    let missing = store.copy_write_tokens(0, &[4], &[TokenData::new(0, &codes).scales(&scales[..1])]).unwrap_err();
    assert_eq!(missing.status(), Status::BufferTooSmall);
}

fn filled(cache: &Cache, tokens: u32) -> (Store, Vec<f32>) {
    let mut store = Store::new(cache, &Default::default()).unwrap();
    let packed = numbers(2 * tokens as usize * 64, 9);
    store.copy_scatter(&[Span::new(&[1, 2], 0, tokens, &packed)]).unwrap();
    (store, packed)
}

#[test]
fn a12_attention_over_parts_is_that_over_the_whole() {
    let cache = cache_of(group(1), 0);
    let (mut store, packed) = filled(&cache, 6);
    let query = numbers(4 * 32, 2);
    let attention = Attention { num_sequences: 1, query_heads: 4, ..Default::default() };
    let decode = |store: &Store, parts: &[(&[i32], u32)]| {
        let (mut out, mut sums) = (vec![0.0f32; 128], vec![0.0f32; 4]);
        let lengths: Vec<[u32; 1]> = parts.iter().map(|(_, length)| [*length]).collect();
        let parts: Vec<_> = parts
            .iter()
            .zip(&lengths)
            .map(|((table, _), length)| AttentionPart::new(store, table, 2, length))
            .collect();
        let rows = Rows { dtype: Dtype::F32, query: &query, out: &mut out, log_sums: Some(&mut sums) };
        attention.decode(rows, &parts).unwrap();
        (out, sums)
    };
    let whole = decode(&store, &[(&[1, 2], 6)]);
    let (keys, values) = packed.split_at(6 * 64);
    let scores: Vec<f32> = (0..6)
        .map(|token| {
            let products = query[96..128].iter().zip(&keys[token * 64 + 32..]).map(|(q, k)| q * k);
            (products.sum::<f32>() / 32f32.sqrt()).exp()
        })
        .collect();
    let weighted = (0..6).map(|token| scores[token] * values[token * 64 + 32 + 31]).sum::<f32>();
    close_to(
        &[whole.0[127], whole.1[3]],
        &[weighted / scores.iter().sum::<f32>(), scores.iter().sum::<f32>().ln()],
        1e-5,
    );
    let parts = decode(&store, &[(&[1], 4), (&[2], 2)]);
    close_to(&parts.0, &whole.0, 1e-6);
    let (first, last) = (decode(&store, &[(&[1], 4)]), decode(&store, &[(&[2], 2)]));
    let (mut merged, mut sums) = (vec![0.0f32; 128], vec![0.0f32; 4]);
    let halves = (Half { out: &first.0, log_sums: &first.1 }, Half { out: &last.0, log_sums: &last.1 });
    attention_merge(halves, &mut merged, Some(&mut sums), 32, Dtype::F32).unwrap();
    close_to(&merged, &whole.0, 1e-5);
    close_to(&sums, &whole.1, 1e-5);
    let stream = Stream::new(&StreamConfig { num_workers: 1, ..Default::default() }).unwrap();
    let mut out = vec![0.0f32; 128];
    stream
        .scope(|scope| {
            let part = AttentionPart::new(scope.store(&mut store), &[1, 2], 2, &[6]);
            let rows = Rows { dtype: Dtype::F32, query: &query, out: &mut out, log_sums: None };
            scope.attention_decode(&attention, rows, &[part])
        })
        .unwrap()
        .unwrap();
    assert_eq!(out, whole.0);
}

#[test]
fn d3_swap_on_a_stream_brings_every_byte_back() {
    let cache = cache_of(group(1), 4);
    let created = cache.create(&Prompt::new(&[1, 2, 3, 4, 5, 6]), &Default::default()).unwrap();
    let mut sequence = created.sequence;
    let (mut store, packed) = filled(&cache, 6);
    let mut swap = Store::new(&cache, &StoreConfig { columns: Columns::SwapBlocks, ..Default::default() }).unwrap();
    let stream = Stream::new(&StreamConfig { num_workers: 2, ..Default::default() }).unwrap();
    let ticket = cache.ticket_open().unwrap();
    sequence.commit(6, Some(ticket)).unwrap();
    stream.record_ticket(&cache, ticket).unwrap();
    stream.wait(None, Duration::from_secs(60)).unwrap();
    assert_eq!(cache.ticket_read(ticket).unwrap(), TicketState::Passed);
    let mut plan = sequence.swap_out().unwrap();
    stream
        .scope(|scope| {
            let stores = [scope.store(&mut store), scope.store(&mut swap)];
            scope.copy_run_and_finish(&mut plan, &stores, RunFlags::NONE)
        })
        .unwrap()
        .unwrap();
    assert_eq!(sequence.info().unwrap().state, SequenceState::Swapped);
    assert_eq!(moved(&swap, Moved::Out), 6 * 2 * 64 * 4);
    store.copy_zero(&[1, 2]).unwrap();
    cache.prefix_clear(None, ClearFlags::NONE).unwrap();
    let mut plan = sequence.swap_in().unwrap().plan.expect("bytes to copy");
    plan.copy_run_and_finish(&mut [&mut store, &mut swap], RunFlags::VERIFY).unwrap();
    let (blocks, mut back) = (sequence.blocks().unwrap(), vec![0.0f32; packed.len()]);
    store.copy_gather(&mut [SpanMut::new(&blocks, 0, 6, &mut back)]).unwrap();
    assert_eq!(back, packed);
    assert_eq!(cache.swap_acquire(2).unwrap().blocks().len(), 2);
    assert_eq!(cache.state().unwrap().acquired_swap_blocks, 0, "given back when they were dropped");
}

#[test]
fn d4_the_pager_makes_room_and_brings_back() {
    let cache = cache_of(group(1), 8);
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let mut swap = Store::new(&cache, &StoreConfig { columns: Columns::SwapBlocks, ..Default::default() }).unwrap();
    let mut pager = Pager::new(&cache, &[&store, &swap]).unwrap();
    let mut sequences = Vec::new();
    for first in [10, 20] {
        let tokens: Vec<i32> = (first..first + 16).collect();
        let mut sequence = cache.create(&Prompt::new(&tokens), &Default::default()).unwrap().sequence;
        sequence.commit(16, None).unwrap();
        sequences.push(sequence);
    }
    let mut stores = [&mut store, &mut swap];
    let room = pager.copy_make_resident(&[sequences[1].id()], Some(&[4]), &mut stores).unwrap();
    assert_eq!((room.resident, room.pending, room.started_out), (1, 0, 1));
    assert_eq!(sequences[0].info().unwrap().state, SequenceState::Swapped);
    let back = pager.copy_make_resident(&[sequences[0].id()], None, &mut stores).unwrap();
    assert_eq!((back.pending, back.started_in), (0, 1));
}

#[test]
fn d5_two_tiers_keep_the_last_tokens_exactly() {
    let mut quantized = group(1);
    quantized.choose(Format::I8, BLOCK).unwrap();
    let cache = cache_of(quantized, 0);
    let mut store = Store::new(&cache, &Default::default()).unwrap();
    let config = TailConfig { dtype: Some(Dtype::F32), tail_tokens: 2, max_sequences: 2, ..Default::default() };
    let (mut tail, mut rings) = Tail::new(&store, &config, &Default::default()).unwrap();
    let row = tail.open_row(0).unwrap();
    let packed = numbers(6 * 64, 4);
    let mut slots = [0i64; 6];
    tail.read_slots(&[row; 6], &[0, 1, 2, 3, 4, 5], &mut slots).unwrap();
    let planes = [TokenData::new(0, &packed), TokenData::new(1, &packed)];
    rings.copy_write_tokens(0, &slots, &planes).unwrap();
    let of_row = Overflow { row, blocks: &[3, 5], length: 6, keep_tokens: None };
    assert_eq!(tail.copy_overflow(&[of_row], &mut store, &mut rings).unwrap(), [4]);
    let mut back = vec![0.0f32; tail.elements(6) as usize];
    tail.copy_read_tiers(&of_row, Dtype::F32, &mut back, [&store, &rings]).unwrap();
    close_to(&back[..4 * 64], &packed[..4 * 64], 0.01);
    assert_ne!(back[..4 * 64], packed[..4 * 64], "those were quantized");
    assert_eq!(back[4 * 64..6 * 64], packed[4 * 64..]);
    let ring = tail.info().unwrap().ring_blocks;
    let (mut table, mut stored) = (vec![0; ring as usize], [0]);
    tail.read_tables(&[row], &mut table, ring, &mut stored).unwrap();
    assert_eq!(stored, [4]);
    tail.close_row(row).unwrap();
    assert_eq!(tail.close_row(row).unwrap_err().status(), Status::BadHandle);
}

#[test]
fn e7_an_image_goes_through_a_file_into_another_cache() {
    let cache = cache_of(group(1), 0);
    let tokens = [1, 2, 3, 4, 5, 6];
    let mut sequence = cache.create(&Prompt::new(&tokens), &Default::default()).unwrap().sequence;
    let (store, packed) = filled(&cache, 6);
    sequence.commit(6, None).unwrap();
    let label = [7; 64];
    let options = SaveOptions { label: Some(&label), ..Default::default() };
    let image = sequence.copy_save(&[&store], &options).unwrap();
    let path = std::env::temp_dir().join(format!("arenakv-rust-{}.image", std::process::id()));
    image.write_file(&path).unwrap();
    let back = Image::read_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(back, image);
    assert_eq!(Image::read_file(&path).unwrap_err().status(), Status::Io);
    assert_eq!((back.check().unwrap().num_tokens, back.group().unwrap().planes.len()), (6, 2));
    let mut read = [0; 3];
    back.read_tokens(2, &mut read).unwrap();
    assert_eq!(read, [3, 4, 5]);

    let other = Cache::new(&CacheConfig { block_tokens: 2, groups: vec![back.group().unwrap()], ..Default::default() })
        .unwrap();
    let mut target = Store::new(&other, &Default::default()).unwrap();
    let wrong = other.copy_load(&back, &mut [&mut target], &Default::default()).unwrap_err();
    assert_eq!(wrong.status(), Status::OtherGeometry, "another label");
    let options = LoadOptions { label: Some(&label), ..Default::default() };
    let created = other.copy_load(&Image::from_bytes(back.as_bytes()), &mut [&mut target], &options).unwrap();
    let (blocks, mut gathered) = (created.sequence.blocks().unwrap(), vec![0.0f32; packed.len()]);
    target.copy_gather(&mut [SpanMut::new(&blocks, 0, 6, &mut gathered)]).unwrap();
    assert_eq!(gathered, packed);
}

#[test]
fn a1_pages_and_tensors_are_borrowed_from_who_owns_them() {
    let pool = PagePool::new(&PagePoolConfig { page_bytes: 4096, num_pages: 3, ..Default::default() }).unwrap();
    let mut pages = pool.page_acquire(1, 1).unwrap();
    assert_eq!(pages.contents(), [Content::Zero]);
    pages.bytes_mut(0).unwrap().fill(9);
    drop(pages);
    let mut pages = pool.page_acquire(2, 1).unwrap();
    assert_eq!((pages.contents()[0], pages.bytes(0).unwrap()[4095]), (Content::Foreign, 9));
    pages.copy_zero(0).unwrap();
    assert_eq!(pages.bytes(0).unwrap()[4095], 0);
    let mut arena = pool.arena_create(3).unwrap();
    let tensors = arena.tensor_create_batch(&[512, 1024]).unwrap();
    let (keys, values) = (tensors[0].0, tensors[1].0);
    assert_eq!((arena.tensor_extend(keys, 16).unwrap(), arena.tensor_extend(values, 16).unwrap()), (0, 0));
    arena.copy_to_tensor(keys, 0, &[5; 16]).unwrap();
    arena.copy_tensor((keys, 0), (values, 8), 8).unwrap();
    assert_eq!(arena.bytes(values).unwrap(), [[0; 8], [5; 8]].concat());
    assert_eq!(arena.tensor_shape(values, 8, Dtype::F32, &[-1]).unwrap().shape(), [2]);
    arena.copy_zero_tensor(keys).unwrap();
    assert_eq!((arena.bytes(keys).unwrap(), arena.info().unwrap().tensors), (&[0; 16][..], 2));
    let ticket = pool.ticket_open().unwrap();
    drop(arena);
    assert_eq!(pool.state().unwrap().quarantined_pages, 1);
    pool.ticket_retire(ticket).unwrap();
    assert_eq!(pool.ticket_read(ticket).unwrap(), TicketState::Passed);
    let dropped = unsafe { pool.drop_all() }.unwrap(); // nothing is borrowed
    assert_eq!((dropped.raw_pages, pool.state().unwrap().live_pages), (1, 0));
}
