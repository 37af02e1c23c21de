//! world.rs: what a story has made so far, by its names: caches, handles, stores, streams. Handles are kept as numbers, so
//! that a story can use what has ended.
use std::collections::HashMap;
use std::time::Duration;

use arenakv::*;
use serde_json::Value;

use crate::Step;

pub struct CacheThing {
    pub cache: Cache,
    pub layers: u32,
    pub heads: u32,
    pub dim: u32,
    pub block_tokens: u32,
}

pub struct TensorThing {
    pub arena: String,
    pub tensor: Tensor,
}

#[derive(Default)]
pub struct World {
    pub caches: HashMap<String, CacheThing>,
    pub handles: HashMap<String, u64>,
    pub stores: HashMap<String, Store>,
    pub streams: HashMap<String, Stream>,
    pub images: HashMap<String, Image>,
    pub pools: HashMap<String, PagePool>,
    pub pool_tickets: HashMap<String, (String, Ticket)>,
    pub pages: HashMap<String, u64>,
    pub kept_pages: Vec<Pages>,
    pub arenas: HashMap<String, Arena>,
    pub tensors: HashMap<String, TensorThing>,
}

fn choose<T: Copy>(word: &str, known: &[(&str, T)]) -> T {
    known.iter().find(|(name, _)| *name == word).unwrap_or_else(|| panic!("the word {word} is not known")).1
}

fn geometry(value: &Value) -> LayerGroup {
    assert_eq!(value["dtype"], "f32", "geometries of stories are f32");
    let number = |key: &str| value[key].as_u64().unwrap_or_else(|| panic!("geometry has no {key}")) as u32;
    LayerGroup::keys_and_values(number("layers"), number("kv_heads"), number("head_dim"), Dtype::F32)
}

fn config(value: &Value) -> CacheConfig {
    let mut config = CacheConfig::default();
    for (key, value) in value.as_object().expect("cache is a dictionary") {
        let word = || value.as_str().unwrap_or_else(|| panic!("{key} is a word"));
        let number = || value.as_u64().unwrap_or_else(|| panic!("{key} is a number")) as u32;
        match key.as_str() {
            "num_blocks" => config.num_blocks = number(),
            "block_tokens" => config.block_tokens = number(),
            "max_sequences" => config.max_sequences = number(),
            "max_tokens_per_sequence" => config.max_tokens_per_sequence = number(),
            "max_open_tickets" => config.max_open_tickets = number(),
            "max_plans" => config.max_plans = number(),
            "max_holds" => config.max_holds = number(),
            "max_pinned_blocks" => config.max_pinned_blocks = number(),
            "magazine_blocks" => config.magazine_blocks = number(),
            "num_swap_blocks" => config.num_swap_blocks = number(),
            "block_allocator" => {
                let known = [("stack", BlockAllocator::Stack), ("buddy", BlockAllocator::Buddy)];
                config.block_allocator = choose(word(), &known);
            }
            "scrub" => {
                let known = [("domain", Scrub::Domain), ("none", Scrub::Never), ("always", Scrub::Always)];
                config.scrub = choose(word(), &known);
            }
            "geometry" => config.groups = vec![geometry(value)],
            _ => panic!("a cache has no {key}"),
        }
    }
    config
}

impl World {
    pub fn new(cache: &Value) -> World {
        let mut world = World::default();
        world.open("cache", cache).expect("the story's cache");
        world
    }

    pub fn open(&mut self, name: &str, value: &Value) -> Result<()> {
        let cache = Cache::new(&config(value))?;
        let made = cache.config()?;
        let group = &made.groups[0];
        let (heads, dim) = (group.planes[0].kv_heads, group.planes[0].head_dim);
        let thing = CacheThing { layers: group.num_layers, heads, dim, block_tokens: made.block_tokens, cache };
        self.caches.insert(name.into(), thing);
        Ok(())
    }

    pub fn cache(&self, step: &Step<'_>) -> &CacheThing {
        let name = step.get("in").and_then(Value::as_str).unwrap_or("cache");
        self.caches.get(name).unwrap_or_else(|| panic!("no cache {name}"))
    }

    /// The number behind a name, whatever it is one of.
    pub fn handle(&self, name: &str) -> Option<u64> {
        self.handles.get(name).copied()
    }

    pub fn raw(&self, name: &str) -> u64 {
        self.handle(name).unwrap_or_else(|| panic!("nothing is named {name}"))
    }

    pub fn ticket(&self, step: &Step<'_>) -> Option<Ticket> {
        step.get("ticket").and_then(Value::as_str).map(|name| Ticket::from_raw(self.raw(name)))
    }

    pub fn add(&mut self, name: &str, raw: u64) {
        self.handles.insert(name.into(), raw);
    }

    /// Call with stores by name, which are nobody else's meanwhile.
    pub fn with_stores<R>(&mut self, names: &[&str], call: impl FnOnce(&World, &mut [&mut Store]) -> R) -> R {
        let mut taken: Vec<_> = names.iter().map(|name| self.stores.remove(*name).expect("a store")).collect();
        let result = call(self, &mut taken.iter_mut().collect::<Vec<_>>());
        self.stores.extend(names.iter().map(|name| name.to_string()).zip(taken));
        result
    }

    /// Audits every cache, and closes what is open: only what the story closed itself may be stale.
    pub fn end(mut self) {
        let open = |what: &str, result: Result<()>| match result {
            Err(error) if error.status() == Status::BadHandle => {}
            result => result.unwrap_or_else(|error| panic!("at the end, {what}: {error}")),
        };
        for (name, stream) in &self.streams {
            open(name, stream.wait(None, Duration::from_secs(60)));
        }
        for (name, thing) in &self.caches {
            open(name, thing.cache.audit_all());
        }
        self.streams.iter_mut().for_each(|(name, stream)| open(name, stream.close()));
        self.stores.iter_mut().for_each(|(name, store)| open(name, store.close()));
        self.pools.iter().for_each(|(name, pool)| open(name, unsafe { pool.close() })); // nothing is borrowed here
        self.caches.iter().for_each(|(name, thing)| open(name, thing.cache.close()));
    }
}
