//! bytes.rs: the steps of stories that move bytes: K/V of tokens, spans, tensors of arenas. It knows what K/V of a story
//! are, as its README says.
use arenakv::*;
use serde_json::{json, Value};

use crate::calls::{owned, Answer};
use crate::world::World;
use crate::Step;

/// K/V of one layer and plane: `[token][head][dim]`.
fn values(seed: u64, layer: u32, plane: u32, first: u32, count: u32, elements: u32) -> Vec<f32> {
    let mut data = Vec::new();
    for position in first..first + count {
        for element in 0..elements {
            let base = seed * 4096 + u64::from(layer * 1024 + plane * 512 + position);
            data.push(if seed == 0 { 0.0 } else { base as f32 + element as f32 / 64.0 });
        }
    }
    data
}

/// `write`, `read`, `scatter`, `gather`.
pub fn tokens(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let word = step.text("do");
    let thing = world.cache(step);
    let (layers, elements, block_tokens) = (thing.layers, thing.heads * thing.dim, thing.block_tokens);
    let (first, count, seed) = (step.word("first"), step.word("count"), step.number("seed"));
    let id = SequenceId::from_raw(world.raw(step.text("on")));
    let cache = thing.cache.clone();
    let blocks = owned(cache.sequence(id), |sequence| sequence.blocks())?;
    let slots = match word {
        "write" => {
            let mut slots = vec![0; count as usize];
            let batch =
                Batch { sequences: &[id], first: Some(&[first]), num_tokens: Some(&[count]), ..Default::default() };
            cache.read_tables(&batch, &mut Tables { slot_mapping: Some(&mut slots), ..Default::default() })?;
            slots
        }
        _ => {
            let slot = |at: u32| i64::from(blocks[(at / block_tokens) as usize]) * i64::from(block_tokens);
            (first..first + count).map(|at| slot(at) + i64::from(at % block_tokens)).collect()
        }
    };
    let packed: Vec<f32> = (0..layers)
        .flat_map(|layer| (0..2).flat_map(move |plane| values(seed, layer, plane, first, count, elements)))
        .collect();
    let part = (count * elements) as usize;
    world.with_stores(&[step.text("store")], |_, stores| {
        let store = &mut *stores[0];
        let mut back = vec![f32::NAN; packed.len()];
        match word {
            "scatter" => store.copy_scatter(&[Span::new(&blocks, first, count, &packed)])?,
            "gather" => store.copy_gather(&mut [SpanMut::new(&blocks, first, count, &mut back)])?,
            _ => {
                for layer in 0..layers {
                    let at = 2 * layer as usize * part;
                    if word == "write" {
                        let (keys, values) = packed[at..at + 2 * part].split_at(part);
                        store.copy_write_tokens(
                            layer,
                            &slots,
                            &[TokenData::new(0, keys), TokenData::new(1, values)],
                        )?;
                    } else {
                        let (keys, values) = back[at..at + 2 * part].split_at_mut(part);
                        let planes = &mut [TokenDataMut::new(0, keys), TokenDataMut::new(1, values)];
                        store.copy_read_tokens(layer, &slots, planes)?;
                    }
                }
            }
        }
        if matches!(word, "read" | "gather") {
            assert_eq!(back, packed, "the K/V are not those of seed {seed}");
        }
        Ok((Value::Null, None))
    })
}

/// `zero`, `copy_blocks`.
pub fn blocks(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    if step.text("do") == "zero" {
        let blocks = step.numbers("blocks").expect("blocks");
        world.with_stores(&[step.text("store")], |_, stores| stores[0].copy_zero(&blocks))?;
        return Ok((Value::Null, None));
    }
    let flags = step.flags(&[("verify", BlocksFlags::VERIFY)]);
    let (from_blocks, to_blocks) = (step.numbers("from_blocks").unwrap(), step.numbers("to_blocks").unwrap());
    world.with_stores(&[step.text("from"), step.text("to")], |_, stores| {
        let [from, to] = stores else { unreachable!("two stores") };
        from.copy_blocks(&from_blocks, to, &to_blocks, flags)
    })?;
    Ok((Value::Null, None))
}

fn pattern(step: &Step<'_>) -> Vec<u8> {
    (0..step.number("bytes")).map(|i| ((step.number("seed") * 31 + i) % 256) as u8).collect()
}

/// `tensor_write`, `tensor_read`.
pub fn tensor(world: &mut World, step: &Step<'_>) -> Result<Answer> {
    let (thing, offset, pattern) = (&world.tensors[step.text("on")], step.number("offset"), pattern(step));
    let arena = &mut world.arenas.get_mut(&thing.arena).expect("an arena");
    if step.text("do") == "tensor_write" {
        arena.copy_to_tensor(thing.tensor, offset, &pattern)?;
    } else {
        let mut back = vec![0; pattern.len()];
        arena.copy_from_tensor(thing.tensor, offset, &mut back)?;
        assert_eq!(back, pattern, "the tensor holds other bytes");
    }
    Ok((Value::Null, None))
}

fn moved(kind: u32) -> &'static str {
    match Moved::from_raw(kind).expect("a kind of movement") {
        Moved::Write => "write",
        Moved::Read => "read",
        Moved::Gather => "gather",
        Moved::Scatter => "scatter",
        Moved::Zero => "zero",
        Moved::Blocks => "blocks",
        Moved::CopyOnWrite => "copy_on_write",
        Moved::Partial => "partial",
        Moved::Out => "out",
        Moved::In => "in",
        Moved::Save => "save",
        Moved::Load => "load",
        Moved::ToTensor => "to_tensor",
        Moved::FromTensor => "from_tensor",
        Moved::Tensor => "tensor",
        Moved::Converted => "converted",
        _ => panic!("kind {kind}"),
    }
}

/// `stats`.
pub fn stats(world: &World, step: &Step<'_>) -> Result<Answer> {
    let name = step.text("on");
    let lines = match world.pools.get(name) {
        Some(pool) => pool.stats()?,
        None => world.stores[name].stats()?,
    };
    let lines = lines.iter().map(|line| {
        let numbers = json!({"calls": line.calls, "items": line.items, "bytes": line.bytes,
            "verified_bytes": line.verified_bytes});
        (moved(line.kind).to_string(), numbers)
    });
    Ok((Value::Object(lines.collect()), None))
}
