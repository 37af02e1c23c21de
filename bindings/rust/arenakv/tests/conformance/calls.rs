//! calls.rs: the words of `do`, each one call of the package, and its results by the names of the C structs.
use std::time::Duration;

use arenakv::*;
use serde_json::{json, Value};

use crate::world::World;
use crate::{bytes, more, Step};

/// Results, and the plan that was handed out.
pub type Answer = (Value, Option<PlanId>);

/// Call through an owner of a handle, and let the handle live on.
pub fn owned<R>(mut sequence: Sequence, call: impl FnOnce(&mut Sequence) -> R) -> R {
    let result = call(&mut sequence);
    sequence.into_id();
    result
}

/// These fields of a struct, by their names.
macro_rules! told {
    ($from:expr; $($field:ident)*) => {
        serde_json::Value::Object([$((stringify!($field).to_string(), $from.$field.into())),*].into_iter().collect())
    };
}
pub(crate) use told;

fn ticket(ticket: Option<Ticket>) -> Value {
    ticket.map_or(Value::Null, |ticket| ticket.as_raw().into())
}

pub fn number_or_none(raw: u64) -> Value {
    if raw == 0 {
        Value::Null
    } else {
        raw.into()
    }
}

pub fn with(mut value: Value, key: &str, inner: Value) -> Value {
    value[key] = inner;
    value
}

/// "SwappingOut" as stories write it.
pub fn word(choice: impl std::fmt::Debug) -> Value {
    let mut text = String::new();
    for letter in format!("{choice:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text.into()
}

pub fn nothing(result: Result<()>) -> Result<Answer> {
    result.map(|()| (Value::Null, None))
}

fn room(room: &Room) -> Value {
    let value = told!(room; blocks_needed blocks_available blocks_free blocks_evictable blocks_quarantined
        sequences_available tokens_available);
    with(value, "status", room.status.map_or("OK", Status::name).into())
}

fn options(step: &Step<'_>) -> SequenceOptions {
    let flags = step.flags(&[
        ("committed", SequenceFlags::COMMITTED),
        ("partial", SequenceFlags::PARTIAL),
        ("prefix_only", SequenceFlags::PREFIX_ONLY),
        ("no_match", SequenceFlags::NO_MATCH),
        ("contiguous", SequenceFlags::CONTIGUOUS),
        ("no_publish", SequenceFlags::NO_PUBLISH),
    ]);
    SequenceOptions {
        flags,
        request_id: step.number("request_id"),
        owner: step.number("owner"),
        reserve_tokens: step.word("reserve_tokens"),
        max_tokens: step.word("max_tokens"),
    }
}

fn created(world: &mut World, step: &Step<'_>, made: Created) -> Answer {
    let value = told!(made; length cached_tokens partial_tokens shared_blocks new_blocks);
    let value = with(value, "wait", ticket(made.wait));
    world.add(step.text("as"), made.sequence.into_id().as_raw());
    (value, made.plan.map(Plan::into_id))
}

pub fn call(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    match step.text("do") {
        "open" => nothing(world.open(step.text("as"), step.get("cache").expect("a cache"))),
        "close" => close(world, step),
        "create" | "can_allocate" | "match" | "explain" | "pin" => prompt(world, step),
        "append" | "reserve" | "can_extend" | "commit" | "set_tokens" | "tokens" | "truncate" | "set_length"
        | "fork" | "free" | "info" | "blocks" | "swap_out" | "swap_in" | "lease_acquire" | "save" => {
            sequence(world, step)
        }
        "step" | "tables" | "commit_batch" | "free_batch" => batch(world, step),
        "plan_info" | "plan_records" | "finish" | "abandon" | "run" => plan(world, step),
        "store" | "stream" | "wait" | "record_ticket" | "load" | "image_check" | "damage" => things(world, step),
        "write" | "read" | "scatter" | "gather" => bytes::tokens(world, step),
        "zero" | "copy_blocks" => bytes::blocks(world, step),
        "tensor_write" | "tensor_read" => bytes::tensor(world, step),
        "stats" => bytes::stats(world, step),
        "pool" | "pool_state" | "page_acquire" | "page_release" | "arena_create" | "arena_drop" | "tensor_create"
        | "tensor_extend" | "tensor_view" | "pool_drop_owner" | "pool_ticket_open" | "pool_ticket_retire" => {
            more::pool(world, step)
        }
        _ => more::cache(world, step),
    }
}

fn close(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let name = step.text("on");
    if let Some(store) = world.stores.get_mut(name) {
        return nothing(store.close());
    }
    if let Some(stream) = world.streams.get_mut(name) {
        return nothing(stream.close());
    }
    if let Some(pool) = world.pools.get(name) {
        return nothing(unsafe { pool.close() });
    }
    nothing(world.caches[name].cache.close())
}

fn prompt(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let (tokens, cache) = (step.tokens().unwrap_or_default(), world.cache(step).cache.clone());
    let prompt = Prompt { tokens: &tokens, domain: step.number("domain") };
    Ok((
        match step.text("do") {
            "create" => {
                let made = cache.create(&prompt, &options(step))?;
                return Ok(created(world, step, made));
            }
            "can_allocate" => room(&cache.can_allocate(&prompt, &options(step))?),
            "match" => {
                let found = cache.prefix_match(&prompt)?;
                with(told!(found; cached_tokens partial_tokens cached_blocks), "wait", ticket(found.wait))
            }
            "explain" => {
                let why = cache.prefix_explain(&prompt)?;
                let value = with(told!(why; cached_tokens partial_tokens first_missed), "wait", ticket(why.wait));
                let sequence = why.sequence.map_or(Value::Null, |id| id.as_raw().into());
                with(with(value, "sequence", sequence), "reason", word(why.reason))
            }
            _ => {
                let pin = cache.prefix_pin(&prompt, step.number("owner"))?;
                let tokens = pin.tokens();
                world.add(step.text("as"), pin.into_id().as_raw());
                json!({"tokens": tokens})
            }
        },
        None,
    ))
}

fn sequence(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let cache = world.cache(step).cache.clone();
    let id = SequenceId::from_raw(world.raw(step.text("on")));
    let length = |key| step.get(key).map(|length| length.as_u64().expect("a number") as u32);
    owned(cache.sequence(id), |sequence| match step.text("do") {
        "append" => {
            let flags = step.flags(&[("committed", AppendFlags::COMMITTED)]);
            let plan = match step.tokens() {
                Some(tokens) => sequence.append_with(&tokens, flags)?,
                None => sequence.append_unknown(step.word("unknown"), flags)?,
            };
            Ok((Value::Null, plan.map(Plan::into_id)))
        }
        "reserve" => Ok((Value::Null, sequence.reserve(step.word("num_tokens"))?.map(Plan::into_id))),
        "can_extend" => Ok((room(&sequence.can_extend(step.word("num_tokens"))?), None)),
        "commit" => nothing(sequence.commit(step.word("length"), world.ticket(step))),
        "set_tokens" => nothing(sequence.set_tokens(step.word("first"), &step.tokens().expect("tokens"))),
        "tokens" => {
            let mut tokens = vec![0; step.number("count") as usize];
            sequence.read_tokens(step.word("first"), &mut tokens)?;
            let known = |token: &i32| (*token != TOKEN_UNKNOWN).then_some(*token);
            Ok((json!({"tokens": tokens.iter().map(known).collect::<Vec<_>>()}), None))
        }
        "truncate" => {
            let flags = step.flags(&[("keep_blocks", TruncateFlags::KEEP_BLOCKS)]);
            nothing(sequence.truncate(step.word("length"), flags))
        }
        "set_length" => nothing(sequence.set_length(step.word("length"))),
        "fork" => {
            let name = step.text("as");
            let child = sequence.fork(length("length"), &options(step))?;
            world.add(name, child.into_id().as_raw());
            Ok((Value::Null, None))
        }
        "free" => nothing(sequence.free()),
        "info" => {
            let info = sequence.info()?;
            let value = told!(info; length known committed published_tokens sound_tokens num_blocks shared_blocks capacity
                remaining max_tokens request_id owner domain swap_blocks);
            let plan = info.plan.map_or(Value::Null, |plan| plan.as_raw().into());
            Ok((with(with(with(value, "state", word(info.state)), "wait", ticket(info.wait)), "plan", plan), None))
        }
        "blocks" => Ok((json!({"blocks": sequence.blocks()?}), None)),
        "swap_out" => Ok((Value::Null, Some(sequence.swap_out()?.into_id()))),
        "swap_in" => {
            let back = sequence.swap_in()?;
            let value = with(told!(back; cached_tokens copied_tokens new_blocks), "wait", ticket(back.wait));
            Ok((value, back.plan.map(Plan::into_id)))
        }
        "lease_acquire" => {
            let name = step.text("as");
            let lease = sequence.lease_acquire(step.word("num_tokens"), step.number("owner"))?;
            let wait = ticket(lease.wait());
            world.add(name, lease.into_id().as_raw());
            Ok((json!({"wait": wait}), None))
        }
        _ => {
            let name = step.text("as");
            let stores: Vec<&Store> = step.names("stores").iter().map(|store| &world.stores[*store]).collect();
            let image = sequence.copy_save(&stores, &SaveOptions::default())?;
            world.images.insert(name.into(), image);
            Ok((Value::Null, None))
        }
    })
}

fn batch(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let cache = world.cache(step).cache.clone();
    let ids: Vec<_> = step.names("on").iter().map(|name| SequenceId::from_raw(world.raw(name))).collect();
    if step.text("do") == "commit_batch" {
        let lengths: Option<Vec<u32>> = step.numbers("lengths");
        return nothing(cache.commit_batch(&ids, lengths.as_deref(), world.ticket(step)));
    }
    if step.text("do") == "free_batch" {
        let freed = cache.free_batch(&ids)?;
        return Ok((told!(freed; freed stale), None));
    }
    let (num_tokens, first) = (step.numbers::<u32>("num_tokens"), step.numbers::<u32>("first"));
    let count = ids.len();
    let queries = num_tokens.as_ref().map_or(count, |list| list.iter().sum::<u32>() as usize);
    let width = step.get("row_width").map_or(8, |width| width.as_u64().expect("a number") as usize);
    let (mut slots, mut positions) = (vec![0i64; queries], vec![0i64; queries]);
    let (mut starts, mut indptr, mut indices) = (vec![0i32; count + 1], vec![0i32; count + 1], vec![0i32; 1024]);
    let (mut last, mut firsts, mut lengths) = (vec![0i32; count], vec![0i32; count], vec![0i32; count]);
    let mut table = vec![0i32; count * width];
    let mut tables = Tables {
        slot_mapping: Some(&mut slots),
        positions: Some(&mut positions),
        query_start_loc: Some(&mut starts),
        kv_indptr: Some(&mut indptr),
        kv_indices: Some(&mut indices),
        kv_last_page_len: Some(&mut last),
        block_table: Some(&mut table),
        first_positions: Some(&mut firsts),
        seq_lens: Some(&mut lengths),
        row_stride: width,
        row_width: width as u32,
        num_rows: count as u32,
        ..Default::default()
    };
    let (flags, tokens) = (step.flags(&[("committed", AppendFlags::COMMITTED)]), step.tokens());
    let batch = Batch {
        sequences: &ids,
        num_tokens: num_tokens.as_deref(),
        first: first.as_deref(),
        tokens: tokens.as_deref(),
        flags,
    };
    let plan = match step.text("do") {
        "step" => cache.append_batch(&batch, Some(&mut tables))?,
        _ => cache.read_tables(&batch, &mut tables).map(|()| None)?,
    };
    indices.truncate(indptr[count] as usize);
    let rows: Vec<_> = table.chunks(width).collect();
    let value = json!({"slot_mapping": slots, "positions": positions, "query_start_loc": starts, "kv_indptr": indptr,
        "kv_indices": indices, "kv_last_page_len": last, "block_table": rows, "first_positions": firsts,
        "seq_lens": lengths});
    Ok((value, plan.map(Plan::into_id)))
}

fn plan(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let cache = world.cache(step).cache.clone();
    let mut plan = cache.plan(PlanId::from_raw(world.raw(step.text("on"))));
    let answer = match step.text("do") {
        "plan_info" => {
            plan.info().map(|info| (told!(info; num_records num_sequences copied_tokens zeroed_blocks), None))
        }
        "plan_records" => plan.records().map(|records| {
            let record = |one: &PlanRecord| {
                let value = told!(one; source_block target_block source_store target_store first_token num_tokens group
                    part);
                with(value, "kind", word(PlanKind::from_raw(one.kind).expect("a kind")))
            };
            (json!({"records": records.iter().map(record).collect::<Vec<_>>()}), None)
        }),
        "finish" => nothing(plan.finish(world.ticket(step))),
        "abandon" => nothing(plan.abandon()),
        _ => nothing(run(world, step, &mut plan)),
    };
    plan.into_id();
    answer
}

fn run(world: &mut World, step: &Step<'_>, plan: &mut Plan) -> Result<()> {
    #[derive(Clone, Copy, Default)]
    struct Flags(RunFlags, bool);
    impl std::ops::BitOr for Flags {
        type Output = Flags;
        fn bitor(self, other: Flags) -> Flags {
            Flags(self.0 | other.0, self.1 || other.1)
        }
    }
    let known = [
        ("ordered", Flags(RunFlags::ORDERED, false)),
        ("verify", Flags(RunFlags::VERIFY, false)),
        ("finish", Flags(RunFlags::NONE, true)),
    ];
    let (Flags(flags, finish), on) = (step.flags(&known), step.get("stream").and_then(Value::as_str));
    world.with_stores(&step.names("stores"), |world, stores| match on {
        None if finish => plan.copy_run_and_finish(stores, flags),
        None => plan.copy_run(stores, flags),
        Some(stream) => world.streams[stream].scope(|scope| {
            let stores: Vec<_> = stores.iter_mut().map(|store| scope.store(store)).collect();
            match finish {
                true => scope.copy_run_and_finish(plan, &stores, flags),
                false => scope.copy_run(plan, &stores, flags),
            }
        })?,
    })
}

fn things(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    match step.text("do") {
        "store" => {
            let word = |key| step.get(key).and_then(Value::as_str);
            let config = StoreConfig {
                columns: match word("columns") {
                    None | Some("blocks") => Columns::Blocks,
                    Some("swap_blocks") => Columns::SwapBlocks,
                    Some(other) => panic!("columns {other}"),
                },
                layout: match word("layout") {
                    None | Some("layer_outer") => Layout::LayerOuter,
                    Some("block_outer") => Layout::BlockOuter,
                    Some(other) => panic!("layout {other}"),
                },
                ..Default::default()
            };
            let name = step.text("as");
            let store = Store::new(&world.cache(step).cache, &config)?;
            world.stores.insert(name.into(), store);
            nothing(Ok(()))
        }
        "stream" => {
            let config = StreamConfig { num_workers: step.word("num_workers"), ..Default::default() };
            world.streams.insert(step.text("as").into(), Stream::new(&config)?);
            nothing(Ok(()))
        }
        "wait" => nothing(world.streams[step.text("on")].wait(None, Duration::from_secs(60))),
        "record_ticket" => {
            let ticket = world.ticket(step).expect("a ticket");
            nothing(world.streams[step.text("on")].record_ticket(&world.cache(step).cache, ticket))
        }
        "load" => {
            let (cache, domain) = (world.cache(step).cache.clone(), step.number("domain"));
            let image = step.text("image");
            let made = world.with_stores(&step.names("stores"), |world, stores| {
                let options = LoadOptions { domain, ..Default::default() };
                cache.copy_load(&world.images[image], stores, &options)
            })?;
            Ok(created(world, step, made))
        }
        "image_check" => {
            let info = world.images[step.text("on")].check()?;
            Ok((told!(info; version num_tokens known_tokens image_bytes payload_offset payload_bytes), None))
        }
        _ => {
            let image = world.images.get_mut(step.text("on")).expect("an image");
            image.as_mut_bytes()[step.number("byte") as usize] ^= 0x55;
            nothing(Ok(()))
        }
    }
}
