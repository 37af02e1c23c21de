//! main.rs: one decode step of 256 sequences (tables into arrays that are there, then a commit), in Rust and in C by
//! turns, and their ratio. It fails above the ratio that is its argument, if there is one.
use std::time::{Duration, Instant};

use arenakv::*;

const SEQUENCES: usize = 256;
const PROMPT: u32 = 1000;
const STEPS: u32 = 64;
const ROUNDS: usize = 60;
const ROW_WIDTH: usize = 128;

/// The struct of decode_step.c.
#[repr(C)]
struct DecodeArrays {
    cache: *mut sys::akv_cache,
    sequences: *const SequenceId,
    slot_mapping: *mut i64,
    positions: *mut i64,
    query_start_loc: *mut i32,
    seq_lens: *mut i32,
    block_table: *mut i32,
    row_states: *mut RowState,
    tokens: *const i32,
    num_sequences: u32,
    row_width: u32,
}

extern "C" {
    fn decode_steps_in_c(arrays: *const DecodeArrays, steps: u32) -> i32;
}

struct Arrays {
    slots: Vec<i64>,
    positions: Vec<i64>,
    starts: Vec<i32>,
    lengths: Vec<i32>,
    table: Vec<i32>,
    rows: Vec<RowState>,
    tokens: Vec<i32>,
}

fn in_rust(cache: &Cache, ids: &[SequenceId], arrays: &mut Arrays) -> Result<()> {
    for _ in 0..STEPS {
        let batch = Batch { sequences: ids, tokens: Some(&arrays.tokens), ..Default::default() };
        let mut tables = Tables {
            slot_mapping: Some(&mut arrays.slots),
            positions: Some(&mut arrays.positions),
            query_start_loc: Some(&mut arrays.starts),
            seq_lens: Some(&mut arrays.lengths),
            block_table: Some(&mut arrays.table),
            row_states: Some(&mut arrays.rows),
            row_stride: ROW_WIDTH,
            row_width: ROW_WIDTH as u32,
            num_rows: SEQUENCES as u32,
            ..Default::default()
        };
        assert!(cache.append_batch(&batch, Some(&mut tables))?.is_none());
        cache.commit_batch(ids, None, None)?;
    }
    Ok(())
}

fn in_c(cache: &Cache, ids: &[SequenceId], arrays: &mut Arrays) -> Result<()> {
    let raw = DecodeArrays {
        cache: cache.as_raw(),
        sequences: ids.as_ptr(),
        slot_mapping: arrays.slots.as_mut_ptr(),
        positions: arrays.positions.as_mut_ptr(),
        query_start_loc: arrays.starts.as_mut_ptr(),
        seq_lens: arrays.lengths.as_mut_ptr(),
        block_table: arrays.table.as_mut_ptr(),
        row_states: arrays.rows.as_mut_ptr(),
        tokens: arrays.tokens.as_ptr(),
        num_sequences: SEQUENCES as u32,
        row_width: ROW_WIDTH as u32,
    };
    check(unsafe { decode_steps_in_c(&raw, STEPS) })
}

/// Half of the rounds take longer.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6 / f64::from(STEPS)
}

fn main() -> Result<()> {
    let cache = Cache::new(&CacheConfig {
        num_blocks: 32768,
        max_sequences: SEQUENCES as u32,
        max_tokens_per_sequence: 2048,
        prefault: true,
        ..Default::default()
    })?;
    let mut ids = Vec::new();
    let options = SequenceOptions { flags: SequenceFlags::NO_PUBLISH, ..Default::default() };
    for number in 0..SEQUENCES as i32 {
        let prompt: Vec<i32> = (0..PROMPT as i32).map(|at| number * 10_000 + at).collect();
        ids.push(cache.create(&Prompt::new(&prompt), &options)?.sequence.into_id());
    }
    let mut arrays = Arrays {
        slots: vec![0; SEQUENCES],
        positions: vec![0; SEQUENCES],
        starts: vec![0; SEQUENCES + 1],
        lengths: vec![0; SEQUENCES],
        table: vec![0; SEQUENCES * ROW_WIDTH],
        rows: vec![RowState::default(); SEQUENCES],
        tokens: vec![7; SEQUENCES],
    };
    let (mut rust, mut c) = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        let start = Instant::now();
        if round % 2 == 0 {
            in_rust(&cache, &ids, &mut arrays)?;
            rust.push(start.elapsed());
        } else {
            in_c(&cache, &ids, &mut arrays)?;
            c.push(start.elapsed());
        }
        // Back to the prompt: each round finds the same cache, since nothing is published.
        cache.truncate_batch(&ids, &[PROMPT; SEQUENCES], TruncateFlags::NONE)?;
    }
    cache.audit_all()?;
    let (rust, c) = (median(rust), median(c));
    println!("a decode step of {SEQUENCES} sequences: C {c:.2} us, Rust {rust:.2} us, ratio {:.3}", rust / c);
    match std::env::args().nth(1).and_then(|limit| limit.parse::<f64>().ok()) {
        Some(limit) if rust / c > limit => {
            println!("the ratio is over {limit}");
            std::process::exit(1);
        }
        _ => Ok(()),
    }
}
