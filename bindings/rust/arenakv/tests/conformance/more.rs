//! more.rs: the words of `do` that are about a cache as a whole, and about page pools.
use arenakv::*;
use serde_json::{json, Value};

use crate::calls::{nothing, number_or_none, told, with, word, Answer};
use crate::world::{TensorThing, World};
use crate::Step;

fn state(state: &CacheState) -> Value {
    let value = told!(state; num_blocks free_blocks dirty_blocks reserved_blocks live_blocks pinned_blocks cached_blocks
        quarantined_blocks evictable_blocks duplicate_blocks peak_live_blocks sequences max_sequences lost_sequences
        runs pins leases plans open_tickets swapped_sequences bytes_per_block sequence_tokens cached_tokens
        created_sequences freed_sequences prompt_tokens hit_tokens partial_tokens published_blocks evicted_blocks
        copy_on_writes refused_no_blocks refills num_swap_blocks free_swap_blocks quarantined_swap_blocks
        acquired_swap_blocks swapped_tokens swapped_out swapped_in);
    let value = with(value, "oldest_open", number_or_none(state.oldest_open));
    with(value, "newest", number_or_none(state.newest))
}

pub fn cache(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let cache = world.cache(step).cache.clone();
    let raw = |key| world.raw(step.text(key));
    let value = match step.text("do") {
        "find" => json!({"sequence": cache.find(step.number("request_id"))?.as_raw()}),
        "unpin" => {
            let mut pin = cache.pin(PinId::from_raw(raw("on")));
            let answer = pin.unpin();
            pin.into_id();
            return nothing(answer);
        }
        "clear" => {
            let flags = step.flags(&[("keep_pinned", ClearFlags::KEEP_PINNED)]);
            let domain = step.get("domain").map(|domain| domain.as_u64().expect("a number"));
            json!({"blocks": cache.prefix_clear(domain, flags)?})
        }
        "drop_owner" => {
            let flags = step.flags(&[("in_flight", DropFlags::IN_FLIGHT)]);
            json!({"released": cache.drop_owner(step.number("owner"), flags)?})
        }
        "state" => state(&cache.state()?),
        "audit" => return nothing(cache.audit()),
        "ticket_open" => {
            let ticket = cache.ticket_open()?;
            world.add(step.text("as"), ticket.as_raw());
            Value::Null
        }
        "ticket_retire" => return nothing(cache.ticket_retire(Ticket::from_raw(raw("on")))),
        "ticket_abandon" => json!({"sequences": cache.ticket_abandon(Ticket::from_raw(raw("on")))?}),
        "ticket_read" => json!({"state": word(cache.ticket_read(Ticket::from_raw(raw("on")))?)}),
        "lease_blocks" => {
            let lease = cache.lease(LeaseId::from_raw(raw("on")));
            let blocks = lease.blocks();
            lease.into_id();
            json!({"blocks": blocks?})
        }
        "lease_release" => {
            let mut lease = cache.lease(LeaseId::from_raw(raw("on")));
            let answer = lease.release();
            lease.into_id();
            return nothing(answer);
        }
        "swap_acquire" => json!({"blocks": cache.swap_acquire(step.word("count"))?.into_blocks()}),
        "swap_release" => return nothing(cache.swap_release(&step.numbers("blocks").expect("blocks"))),
        other => panic!("this replayer does not know how to {other}"),
    };
    Ok((value, None))
}

fn pool_config(value: &Value) -> PagePoolConfig {
    let mut config = PagePoolConfig::default();
    for (key, value) in value.as_object().expect("config is a dictionary") {
        let number = value.as_u64().expect("a number");
        match key.as_str() {
            "page_bytes" => config.page_bytes = number,
            "num_pages" => config.num_pages = number as u32,
            "max_pages" => config.max_pages = number as u32,
            "max_arenas" => config.max_arenas = number as u32,
            "tensors_per_page" => config.tensors_per_page = number as u32,
            "max_open_tickets" => config.max_open_tickets = number as u32,
            _ => panic!("a pool has no {key}"),
        }
    }
    config
}

pub fn pool(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let value = match step.text("do") {
        "pool" => {
            let pool = PagePool::new(&pool_config(step.get("config").unwrap_or(&json!({}))))?;
            world.pools.insert(step.text("as").into(), pool);
            Value::Null
        }
        "pool_ticket_retire" => {
            let (pool, ticket) = &world.pool_tickets[step.text("on")];
            return nothing(world.pools[pool].ticket_retire(*ticket));
        }
        "arena_drop" => return nothing(world.arenas.get_mut(step.text("on")).expect("an arena").close()),
        "tensor_create" | "tensor_extend" | "tensor_view" => return tensor(world, step),
        _ => return of_pool(world, step),
    };
    Ok((value, None))
}

fn of_pool(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let (name, owner) = (step.text("on"), step.number("owner"));
    let pool = world.pools[name].clone();
    let value = match step.text("do") {
        "pool_state" => {
            let state = pool.state()?;
            told!(state; page_bytes max_pages free_pages live_pages quarantined_pages unreserved_pages fresh_pages
                arena_pages arenas tensors capacity_bytes rounding_bytes closed_bytes handed_out recycled recycled_bytes
                refused dropped_arenas dropped_tensors abandoned_tickets open_tickets)
        }
        "pool_drop_owner" => {
            let dropped = unsafe { pool.drop_owner(owner)? }; // nothing is borrowed here
            told!(dropped; arenas tensors raw_pages pages bytes)
        }
        "pool_ticket_open" => {
            world.pool_tickets.insert(step.text("as").into(), (name.into(), pool.ticket_open()?));
            Value::Null
        }
        "page_acquire" => {
            let names = step.names("as");
            let pages = pool.page_acquire(owner, names.len() as u32)?;
            let contents: Vec<_> = pages.contents().iter().map(word).collect();
            let named = names.iter().map(|name| name.to_string());
            world.pages.extend(named.zip(pages.as_raw().iter().copied()));
            world.kept_pages.push(pages);
            json!({"contents": contents})
        }
        // One layer down: `Pages` gives back all that it has, and once.
        "page_release" => {
            let pages: Vec<u64> = step.names("pages").iter().map(|name| world.pages[*name]).collect();
            let (pool, first, count) = (pool.as_raw(), pages.as_ptr(), pages.len() as u32);
            return nothing(check(unsafe { sys::akv_page_release(pool, first, count) }));
        }
        _ => {
            world.arenas.insert(step.text("as").into(), pool.arena_create(owner)?);
            Value::Null
        }
    };
    Ok((value, None))
}

fn tensor(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let name = step.text("on");
    if step.text("do") == "tensor_create" {
        let (tensor, content) = world.arenas[name].tensor_create(step.number("capacity_bytes"))?;
        world.tensors.insert(step.text("as").into(), TensorThing { arena: name.into(), tensor });
        return Ok((json!({"content": word(content)}), None));
    }
    let thing = &world.tensors[name];
    let arena = &world.arenas[&thing.arena];
    if step.text("do") == "tensor_extend" {
        return Ok((json!({"offset": arena.tensor_extend(thing.tensor, step.number("bytes"))?}), None));
    }
    let view = arena.tensor_view(thing.tensor)?;
    Ok((told!(view; bytes capacity_bytes owner page), None))
}
