//! cache.rs: the metadata of one KV cache: made, configured, read out and audited. It knows no bytes.
use std::sync::Arc;

use arenakv_sys as sys;

use crate::error::{check, count_of, read_list, Result, Status};
use crate::geometry::{known, LayerGroup, Sizes};
use crate::handle::{CacheOwner, Owner};
use crate::{BlockAllocator, DropFlags, Scrub};

pub use arenakv_sys::akv_cache_state as CacheState;
pub use arenakv_sys::akv_hold_line as HoldLine;
pub use arenakv_sys::akv_measures as Measures;
pub use arenakv_sys::akv_sequence_line as SequenceLine;

/// What a cache is made of; zero means default (`arenakv/cache.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheConfig {
    /// Usable blocks; default 4096.
    pub num_blocks: u32,
    /// Tokens of a block; default 16.
    pub block_tokens: u32,
    /// Live sequences; default 256.
    pub max_sequences: u32,
    /// Default 4096.
    pub max_tokens_per_sequence: u32,
    /// Between the oldest open ticket and the next; a power of two; default 1024.
    pub max_open_tickets: u32,
    /// Plans open at once; default `max_sequences` + 64.
    pub max_plans: u32,
    /// Pins and leases at once; default 1024.
    pub max_holds: u32,
    /// The pins' budget; default a quarter of `num_blocks`.
    pub max_pinned_blocks: u32,
    /// Blocks a thread takes ahead in one refill, 1 to 60; default `num_blocks` / 128.
    pub magazine_blocks: u32,
    pub block_allocator: BlockAllocator,
    pub scrub: Scrub,
    /// Where sequences go when they leave; default none.
    pub num_swap_blocks: u32,
    /// Touch all metadata in `create`: no later call meets a page fault.
    pub prefault: bool,
    /// Empty: 32 layers, 8 KV heads of 128 for keys and values in f16. This release takes one.
    pub groups: Vec<LayerGroup>,
}

impl CacheConfig {
    /// What a cache of this configuration would need, without making one.
    pub fn sizes(&self) -> Result<Sizes> {
        let mut sizes = Sizes::INIT;
        self.with_raw(|raw| check(unsafe { sys::akv_cache_config_sizes(raw, &mut sizes) }))??;
        Ok(sizes)
    }

    fn with_raw<R>(&self, call: impl FnOnce(&sys::akv_cache_config) -> R) -> Result<R> {
        let planes: Vec<_> = self.groups.iter().map(LayerGroup::raw_planes).collect();
        let groups = self.groups.iter().zip(&planes).map(|(group, planes)| group.raw_over(planes));
        let groups = groups.collect::<Result<Vec<_>>>()?;
        Ok(call(&sys::akv_cache_config {
            flags: if self.prefault { sys::AKV_CACHE_PREFAULT } else { 0 },
            num_blocks: self.num_blocks,
            block_tokens: self.block_tokens,
            max_sequences: self.max_sequences,
            max_tokens_per_sequence: self.max_tokens_per_sequence,
            max_open_tickets: self.max_open_tickets,
            max_plans: self.max_plans,
            max_holds: self.max_holds,
            max_pinned_blocks: self.max_pinned_blocks,
            magazine_blocks: self.magazine_blocks,
            block_allocator: self.block_allocator.as_raw(),
            scrub: self.scrub.as_raw(),
            num_groups: count_of(groups.len(), "groups")?,
            group_size: size_of::<sys::akv_layer_group>() as u32,
            num_swap_blocks: self.num_swap_blocks,
            groups: if groups.is_empty() { std::ptr::null() } else { groups.as_ptr() },
            ..sys::akv_cache_config::INIT
        }))
    }
}

/// The metadata of one KV cache: which block holds which tokens, who shares it, what leaves next.
///
/// Any thread may call it; clones are the same cache. It ends with its last clone, sequence, plan, pin and lease, or
/// when it is closed; whatever comes later is answered with `BadHandle`.
///
/// ```
/// use arenakv::{Cache, CacheConfig, Prompt};
/// let cache = Cache::new(&CacheConfig { num_blocks: 64, ..Default::default() })?;
/// let created = cache.create(&Prompt::new(&[1, 2, 3]), &Default::default())?;
/// assert_eq!(created.sequence.blocks()?, [1]);
/// cache.audit_all()?;
/// # Ok::<(), arenakv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cache {
    pub(crate) owner: Arc<CacheOwner>,
}

impl Cache {
    pub fn new(config: &CacheConfig) -> Result<Cache> {
        config.with_raw(|raw| Ok(Cache { owner: Owner::create(|out| unsafe { sys::akv_cache_create(raw, out) })? }))?
    }

    /// End the cache now, with everything in it. `Busy` if a call is inside one of its sequences.
    pub fn close(&self) -> Result<()> {
        self.owner.close()
    }

    /// The C handle, for `arenakv_sys`.
    #[inline]
    pub fn as_raw(&self) -> *mut sys::akv_cache {
        self.owner.raw()
    }

    /// The configuration in use, with every default filled in.
    pub fn config(&self) -> Result<CacheConfig> {
        let mut raw = sys::akv_cache_config::INIT;
        check(unsafe { sys::akv_cache_read_config(self.as_raw(), &mut raw) })?;
        let groups = (0..raw.num_groups).map(|group| self.group(group)).collect::<Result<_>>()?;
        Ok(CacheConfig {
            num_blocks: raw.num_blocks,
            block_tokens: raw.block_tokens,
            max_sequences: raw.max_sequences,
            max_tokens_per_sequence: raw.max_tokens_per_sequence,
            max_open_tickets: raw.max_open_tickets,
            max_plans: raw.max_plans,
            max_holds: raw.max_holds,
            max_pinned_blocks: raw.max_pinned_blocks,
            magazine_blocks: raw.magazine_blocks,
            block_allocator: known(BlockAllocator::from_raw(raw.block_allocator), "allocator", raw.block_allocator)?,
            scrub: known(Scrub::from_raw(raw.scrub), "scrub", raw.scrub)?,
            num_swap_blocks: raw.num_swap_blocks,
            prefault: raw.flags & sys::AKV_CACHE_PREFAULT != 0,
            groups,
        })
    }

    /// One layer group with its planes.
    pub fn group(&self, group: u32) -> Result<LayerGroup> {
        LayerGroup::read(|out, size, planes, capacity| unsafe {
            sys::akv_cache_read_group(self.as_raw(), group, out, size, planes, capacity)
        })
    }

    /// All gauges and counters: cheap enough for every step.
    pub fn state(&self) -> Result<CacheState> {
        let mut state = CacheState::INIT;
        check(unsafe { sys::akv_cache_read_state(self.as_raw(), &mut state) })?;
        Ok(state)
    }

    /// Fragmentation and waste: looks at every block.
    pub fn measure(&self) -> Result<Measures> {
        let mut measures = Measures::INIT;
        check(unsafe { sys::akv_cache_measure(self.as_raw(), &mut measures) })?;
        Ok(measures)
    }

    /// A line for each live sequence.
    pub fn sequences(&self) -> Result<Vec<SequenceLine>> {
        let size = size_of::<SequenceLine>() as u32;
        read_list(64, SequenceLine::INIT, |lines, capacity, count| unsafe {
            sys::akv_cache_read_sequences(self.as_raw(), lines, size, capacity, count)
        })
    }

    /// A line for each pin, lease and open plan: for finding who forgot one.
    pub fn holds(&self) -> Result<Vec<HoldLine>> {
        let size = size_of::<HoldLine>() as u32;
        read_list(64, HoldLine::INIT, |lines, capacity, count| unsafe {
            sys::akv_cache_read_holds(self.as_raw(), lines, size, capacity, count)
        })
    }

    /// One number (`AKV_BLOCK_*`) for each block, the null block first.
    pub fn read_block_map(&self) -> Result<Vec<u8>> {
        let mut map = vec![0; self.state()?.num_blocks as usize + 1];
        let count = count_of(map.len(), "map")?;
        check(unsafe { sys::akv_cache_read_block_map(self.as_raw(), map.as_mut_ptr(), count) })?;
        Ok(map)
    }

    /// Configuration, state and a line for each sequence as text.
    pub fn dump(&self) -> Result<String> {
        read_text(|buffer, capacity, length| unsafe { sys::akv_report_dump(self.as_raw(), buffer, capacity, length) })
    }

    /// A map of all blocks as text, so many characters a line (0: 64), with a legend.
    pub fn block_map(&self, columns: u32) -> Result<String> {
        read_text(|buffer, capacity, length| unsafe {
            sys::akv_report_block_map(self.as_raw(), columns, buffer, capacity, length)
        })
    }

    /// Check that the counts balance: cheap enough for after every step.
    pub fn audit(&self) -> Result<()> {
        check(unsafe { sys::akv_cache_audit(self.as_raw()) })
    }

    /// Count every block again where it is, and check every run, hold, table and counter against each other.
    pub fn audit_all(&self) -> Result<()> {
        check(unsafe { sys::akv_cache_audit_all(self.as_raw()) })
    }

    /// Release what an owner has: sequences and pins, and with `IN_FLIGHT` leases and plans too. How many that was.
    pub fn drop_owner(&self, owner: u64, flags: DropFlags) -> Result<u32> {
        let mut released = 0;
        check(unsafe { sys::akv_cache_drop_owner(self.as_raw(), owner, flags.as_raw(), &mut released) })?;
        Ok(released)
    }
}

/// Text of a length that the call tells.
fn read_text(mut read: impl FnMut(*mut std::ffi::c_char, u64, *mut u64) -> i32) -> Result<String> {
    let mut text = vec![0u8; 4096];
    loop {
        let mut length = 0;
        match check(read(text.as_mut_ptr().cast(), text.len() as u64, &mut length)) {
            Err(error) if error.status() == Status::BufferTooSmall && length as usize >= text.len() => {
                text.resize(length as usize + 1, 0);
            }
            result => {
                result?;
                text.truncate(length as usize);
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
}
