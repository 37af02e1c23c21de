//! quick_start.rs: two prompts that share a beginning, and one that does not fit. The README quotes it.
use arenakv::{Cache, CacheConfig, Prompt, SequenceOptions};

fn main() -> arenakv::Result<()> {
    let cache = Cache::new(&CacheConfig { num_blocks: 64, block_tokens: 16, ..Default::default() })?;
    let create = |tokens: &[i32]| cache.create(&Prompt::new(tokens), &SequenceOptions::default());
    let system: Vec<i32> = (1000..1040).collect(); // token ids: a system prompt of 40 tokens

    let mut first = create(&[&system[..], &[7, 8, 9]].concat())?;
    first.sequence.commit(first.length, None)?; // its K/V were computed: others may share them
    let second = create(&[&system[..], &[5, 6]].concat())?; // the same system prompt
    println!("cached: {} of {}", second.cached_tokens, second.length);
    println!("blocks: {:?} {:?}", first.sequence.blocks()?, second.sequence.blocks()?);

    drop(first); // what it committed stays cached
    println!("live: {} blocks", cache.state()?.live_blocks);
    let error = create(&[0; 4096]).unwrap_err();
    println!("{}: needed {}, available {}", error.status().name(), error.needed(), error.available());
    Ok(())
}
