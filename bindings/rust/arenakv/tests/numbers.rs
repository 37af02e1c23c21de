//! numbers.rs: what a cache, a tracker, the models and the host tell, as numbers and text; and what is Send and Sync.
use std::sync::{Arc, Mutex};

use arenakv::*;

#[test]
fn s3_threads_may_do_what_the_headers_thread_words_say() {
    fn any<T: Send + Sync>() {}
    fn one_at_a_time<T: Send>() {}
    any::<Cache>();
    any::<Store>();
    any::<Stream>();
    any::<PagePool>();
    any::<Tracker>();
    any::<Arena>();
    any::<View<'_>>();
    any::<Error>();
    one_at_a_time::<Sequence>();
    one_at_a_time::<Plan>();
    one_at_a_time::<TokenDataMut<'_>>();
}

#[test]
fn a_configuration_comes_back_with_its_defaults_filled_in() {
    let mut group = LayerGroup::keys_and_values(4, 2, 64, Dtype::Bf16);
    group.choose(Format::K8v4, 32).unwrap();
    group.query_heads = 8;
    let asked = CacheConfig { num_blocks: 100, block_tokens: 32, groups: vec![group.clone()], ..Default::default() };
    let sizes = asked.sizes().unwrap();
    assert_eq!(sizes.total_bytes, 100 * sizes.bytes_per_block);
    let cache = Cache::new(&asked).unwrap();
    let made = cache.config().unwrap();
    assert_eq!((made.num_blocks, made.max_sequences, made.groups), (100, 256, vec![group]));
    let wrong = CacheConfig { block_tokens: 5000, ..Default::default() };
    assert_eq!(Cache::new(&wrong).unwrap_err().status(), Status::InvalidArgument);
    assert!(wrong.sizes().unwrap_err().message().contains("5000"));
}

#[test]
fn b17_a_cache_tells_who_has_what() {
    let cache = Cache::new(&CacheConfig { num_blocks: 16, block_tokens: 4, ..Default::default() }).unwrap();
    let options = SequenceOptions { request_id: 5, owner: 9, flags: SequenceFlags::COMMITTED, ..Default::default() };
    let prompt = Prompt { tokens: &[1, 2, 3, 4, 5], domain: 3 };
    let room = cache.can_allocate(&prompt, &options).unwrap();
    assert_eq!((room.status, room.blocks_needed), (None, 2));
    let mut made = cache.create(&prompt, &options).unwrap().sequence;
    let lines = cache.sequences().unwrap();
    assert_eq!((lines.len(), lines[0].request_id, lines[0].domain, lines[0].num_blocks), (1, 5, 3, 2));
    let (pin, lease) = (cache.prefix_pin(&prompt, 9).unwrap(), made.lease_acquire(5, 9).unwrap());
    let mut kinds: Vec<_> = cache.holds().unwrap().iter().map(|hold| (hold.kind, hold.blocks)).collect();
    kinds.sort();
    assert_eq!(kinds, [(sys::AKV_HOLD_PIN, 1), (sys::AKV_HOLD_LEASE, 2)]);
    assert_eq!(cache.read_block_map().unwrap().len(), 17);
    assert_eq!(cache.measure().unwrap().live_tokens, 5);
    assert!(cache.dump().unwrap().contains(&format!("{:x}", made.id().as_raw())), "{}", cache.dump().unwrap());
    let map = cache.block_map(4).unwrap();
    assert!(map.lines().count() >= 5 && map.contains('#'), "{map}");
    assert_eq!(cache.drop_owner(9, DropFlags::IN_FLIGHT).unwrap(), 3);
    drop((pin, lease));
    assert_eq!(cache.state().unwrap().leases, 0);
    cache.audit().unwrap();
}

#[test]
fn a13_a_tracker_refuses_what_exceeds_a_limit() {
    let tracker = Tracker::new(8).unwrap();
    tracker.set_limit(1, 1000).unwrap();
    let weights = Allocation { device: 1, purpose: Purpose::Weights, bytes: 800 };
    let records = tracker.record(&[weights]).unwrap();
    assert_eq!(tracker.record(&[weights]).unwrap_err().status(), Status::NoCapacity);
    assert_eq!(tracker.totals(Some(1), Some(Purpose::Weights)).unwrap().bytes, 800);
    tracker.forget(&records).unwrap();
    assert_eq!(tracker.forget(&records).unwrap_err().status(), Status::BadHandle);
    assert_eq!(tracker.totals(None, None).unwrap().peak_bytes, 800);
}

#[test]
fn b12_a_model_is_found_by_name_or_by_its_numbers() {
    let named = Model::find("meta-llama/Llama-3-8B-Instruct").unwrap();
    let fields = ModelFields {
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        hidden_size: 4096,
        model_type: Some("llama".into()),
        torch_dtype: Some("bfloat16".into()),
        ..Default::default()
    };
    let numbered = Model::from_fields(&fields).unwrap();
    let (one, other) = (named.sizes(None, 0, 100).unwrap(), numbered.sizes(None, 0, 100).unwrap());
    assert_eq!((one.bytes, named.attention_name(), named.family_name()), (other.bytes, "GQA", "Llama"));
    assert_eq!(numbered.group(Some(Dtype::F32)).unwrap().planes[0].dtype, Dtype::F32);
    assert_eq!(Model::name(0), None);
    assert!(Model::name(named.numbers.preset).unwrap().starts_with("Llama"));
    let request = PlannerRequest { budget_bytes: 20 << 30, context_tokens: 8192, ..Default::default() };
    let fit = named.fit(&request).unwrap();
    assert_eq!(fit.budget_bytes, fit.store_bytes + fit.slack_bytes);
    let asked = PlannerRequest { context_tokens: 4096, ..Default::default() };
    assert!(named.page_size(&asked).unwrap().page_bytes >= 4096 * 8 * 128 * 2);
    assert_eq!(model_detect_kv_heads(1024, 128, 32).unwrap(), 8);
    assert_eq!(Model::find("no such model").unwrap_err().status(), Status::NotFound);
    assert_eq!(Model::find("a\0b").unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(blocks_for(33, 16), 3);
}

#[test]
fn the_host_is_told_what_it_links_and_what_happens() {
    let (major, minor, patch) = version();
    assert_eq!(version_string(), format!("{major}.{minor}.{patch}"));
    assert!(has(Feature::PrefixIndex) && !has(Feature::Cuda));
    isa_choose(Some(Isa::Plain)).unwrap();
    assert_eq!(isa_in_use().map(isa_name), Some(isa_name(Isa::Plain)));
    isa_choose(None).unwrap();
    assert_eq!(status_name(Status::NoBlocks), "AKV_ERROR_NO_BLOCKS");
    for raw in -90..=0 {
        if let Some(status) = Status::from_raw(raw).filter(|status| *status != Status::Unknown) {
            assert_eq!(status_name(status), format!("AKV_ERROR_{}", status.name()));
        }
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    set_log(Some((LogLevel::Info, Box::new(move |_, line| kept.lock().unwrap().push(line.to_string()))))).unwrap();
    drop(Cache::new(&Default::default()).unwrap());
    set_log(None).unwrap();
    assert!(!lines.lock().unwrap().is_empty());
    assert_eq!(Arc::strong_count(&lines), 1, "the function has been dropped");
}
