//! sequence.rs: one list of tokens mapped to blocks, from create to free. It knows ids, never an address.
use std::cell::Cell;
use std::marker::PhantomData;

use arenakv_sys as sys;

use crate::error::{check, count_of, read_list, Error, Result, Status};
use crate::geometry::known;
use crate::TruncateFlags;
use crate::{AppendFlags, Cache, Lease, LeaseId, Plan, PlanId, SequenceFlags, SequenceId, SequenceState, Ticket};

pub use arenakv_sys::AKV_TOKEN_UNKNOWN as TOKEN_UNKNOWN;

/// The beginning of a sequence: token ids in a trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prompt<'a> {
    pub tokens: &'a [i32],
    /// The tenant, adapter and everything else that changes K/V; equal tokens in two domains share nothing.
    pub domain: u64,
}

impl<'a> Prompt<'a> {
    /// In domain 0.
    pub fn new(tokens: &'a [i32]) -> Prompt<'a> {
        Prompt { tokens, domain: 0 }
    }

    pub(crate) fn to_raw(self) -> Result<sys::akv_prompt> {
        Ok(sys::akv_prompt {
            num_tokens: count_of(self.tokens.len(), "tokens")?,
            tokens: self.tokens.as_ptr(),
            domain: self.domain,
            ..sys::akv_prompt::INIT
        })
    }
}

/// How a sequence is created; zero means default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceOptions {
    pub flags: SequenceFlags,
    /// Yours, for [`Cache::find`]; unique among live sequences; 0: none.
    pub request_id: u64,
    /// Yours, for [`Cache::drop_owner`]; 0: none.
    pub owner: u64,
    /// Take blocks for this many tokens from the start.
    pub reserve_tokens: u32,
    /// It may never be longer; 0: `max_tokens_per_sequence`; for a fork: as its parent.
    pub max_tokens: u32,
}

impl SequenceOptions {
    pub(crate) fn to_raw(self) -> sys::akv_sequence_options {
        sys::akv_sequence_options {
            flags: self.flags.as_raw(),
            request_id: self.request_id,
            owner: self.owner,
            reserve_tokens: self.reserve_tokens,
            max_tokens: self.max_tokens,
            ..sys::akv_sequence_options::INIT
        }
    }
}

/// A new sequence, and what it got.
#[derive(Debug)]
#[must_use = "dropped, it frees the sequence that was just made"]
pub struct Created {
    pub sequence: Sequence,
    /// Tokens that have a place now.
    pub length: u32,
    /// Shared in whole blocks; the last token is always computed.
    pub cached_tokens: u32,
    /// Copied by the plan.
    pub partial_tokens: u32,
    pub shared_blocks: u32,
    pub new_blocks: u32,
    /// Run and finish it before the first kernel that reads.
    pub plan: Option<Plan>,
    /// The shared blocks' writer has not finished: what to wait for.
    pub wait: Option<Ticket>,
}

impl Created {
    pub(crate) fn from_raw(cache: &Cache, raw: &sys::akv_created) -> Created {
        Created {
            sequence: cache.sequence(SequenceId::from_raw(raw.sequence)),
            length: raw.length,
            cached_tokens: raw.cached_tokens,
            partial_tokens: raw.partial_tokens,
            shared_blocks: raw.shared_blocks,
            new_blocks: raw.new_blocks,
            plan: Plan::option(cache, raw.plan),
            wait: Ticket::option(raw.wait),
        }
    }
}

/// Will it fit? The numbers an error would name, before the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What the call would fail with now; `None`: it would succeed.
    pub status: Option<Status>,
    pub blocks_needed: u32,
    /// Free + evictable, less what this very prompt would hold on to.
    pub blocks_available: u32,
    pub blocks_free: u32,
    pub blocks_evictable: u32,
    pub blocks_quarantined: u32,
    pub sequences_available: u32,
    pub tokens_available: u64,
    /// What quarantine waits for first.
    pub oldest_open: Option<Ticket>,
}

impl Room {
    fn from_raw(raw: &sys::akv_room) -> Room {
        Room {
            status: Status::from_raw(raw.status),
            blocks_needed: raw.blocks_needed,
            blocks_available: raw.blocks_available,
            blocks_free: raw.blocks_free,
            blocks_evictable: raw.blocks_evictable,
            blocks_quarantined: raw.blocks_quarantined,
            sequences_available: raw.sequences_available,
            tokens_available: raw.tokens_available,
            oldest_open: Ticket::option(raw.oldest_open),
        }
    }
}

/// What there is to know about one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceInfo {
    pub length: u32,
    pub known: u32,
    pub committed: u32,
    pub published_tokens: u32,
    /// = length; after `ContentLost` what is left of it: truncate to this, or free.
    pub sound_tokens: u32,
    pub num_blocks: u32,
    pub shared_blocks: u32,
    pub capacity: u32,
    pub remaining: u32,
    pub max_tokens: u32,
    pub version: u32,
    pub request_id: u64,
    pub owner: u64,
    pub domain: u64,
    pub plan: Option<PlanId>,
    pub wait: Option<Ticket>,
    pub state: SequenceState,
    pub swap_blocks: u32,
}

/// What came back from the swap blocks, and how.
#[derive(Debug)]
#[must_use = "its plan must be run and finished, or it is abandoned"]
pub struct SwappedIn {
    pub cached_tokens: u32,
    pub copied_tokens: u32,
    pub new_blocks: u32,
    /// `None`: nothing to copy, it is active already.
    pub plan: Option<Plan>,
    pub wait: Option<Ticket>,
}

/// A live sequence, freed when it is dropped: what was published stays as cached prefix.
///
/// It belongs to one caller at a time, so it is `Send` and not `Sync`. Batches take [`SequenceId`]s.
///
/// ```compile_fail,E0277
/// fn shared_between_threads<T: Sync>() {}
/// shared_between_threads::<arenakv::Sequence>();
/// ```
#[derive(Debug)]
pub struct Sequence {
    cache: Cache,
    id: SequenceId,
    one_caller: PhantomData<Cell<()>>,
}

impl Cache {
    /// Create a sequence for a prompt: share what is cached, take blocks for the rest.
    pub fn create(&self, prompt: &Prompt<'_>, options: &SequenceOptions) -> Result<Created> {
        let mut created = sys::akv_created::INIT;
        let (prompt, options) = (prompt.to_raw()?, options.to_raw());
        check(unsafe { sys::akv_sequence_create(self.as_raw(), &prompt, &options, &mut created) })?;
        Ok(Created::from_raw(self, &created))
    }

    /// Would [`Cache::create`] with these arguments succeed?
    pub fn can_allocate(&self, prompt: &Prompt<'_>, options: &SequenceOptions) -> Result<Room> {
        let mut room = sys::akv_room::INIT;
        let (prompt, options) = (prompt.to_raw()?, options.to_raw());
        check(unsafe { sys::akv_cache_can_allocate(self.as_raw(), &prompt, &options, &mut room) })?;
        Ok(Room::from_raw(&room))
    }

    /// The live sequence with this request id.
    pub fn find(&self, request_id: u64) -> Result<SequenceId> {
        let mut id = 0;
        check(unsafe { sys::akv_sequence_find(self.as_raw(), request_id, &mut id) })?;
        Ok(SequenceId::from_raw(id))
    }

    /// Own a sequence that is known by its id, of [`Sequence::into_id`] or [`Cache::find`]. Not checked here: a
    /// stale one is `BadHandle` where it is used.
    pub fn sequence(&self, id: SequenceId) -> Sequence {
        Sequence { cache: self.clone(), id, one_caller: PhantomData }
    }
}

impl Sequence {
    pub fn id(&self) -> SequenceId {
        self.id
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Let it live on without this owner.
    pub fn into_id(self) -> SequenceId {
        let mut this = std::mem::ManuallyDrop::new(self);
        // Its clone of the cache must go; the sequence must not.
        unsafe { std::ptr::drop_in_place(&mut this.cache) };
        this.id
    }

    /// Append tokens whose ids are known. A plan that comes back must be run before the next kernel.
    pub fn append(&mut self, tokens: &[i32]) -> Result<Option<Plan>> {
        self.append_with(tokens, AppendFlags::NONE)
    }

    /// The same with flags.
    pub fn append_with(&mut self, tokens: &[i32], flags: AppendFlags) -> Result<Option<Plan>> {
        self.append_raw(tokens.as_ptr(), count_of(tokens.len(), "tokens")?, flags)
    }

    /// Append tokens whose ids follow with [`Sequence::set_tokens`].
    pub fn append_unknown(&mut self, num_tokens: u32, flags: AppendFlags) -> Result<Option<Plan>> {
        self.append_raw(std::ptr::null(), num_tokens, flags)
    }

    fn append_raw(&mut self, tokens: *const i32, count: u32, flags: AppendFlags) -> Result<Option<Plan>> {
        let (mut plan, id) = (0, self.id.as_raw());
        check(unsafe { sys::akv_sequence_append(self.raw(), id, tokens, count, flags.as_raw(), &mut plan) })?;
        Ok(Plan::option(&self.cache, plan))
    }

    /// Make sure that it has blocks of its own up to so many tokens, without changing its length.
    pub fn reserve(&mut self, num_tokens: u32) -> Result<Option<Plan>> {
        let mut plan = 0;
        check(unsafe { sys::akv_sequence_reserve(self.raw(), self.id.as_raw(), num_tokens, &mut plan) })?;
        Ok(Plan::option(&self.cache, plan))
    }

    /// Would appending so many tokens succeed?
    pub fn can_extend(&self, num_tokens: u32) -> Result<Room> {
        let mut room = sys::akv_room::INIT;
        check(unsafe { sys::akv_sequence_can_extend(self.raw(), self.id.as_raw(), num_tokens, &mut room) })?;
        Ok(Room::from_raw(&room))
    }

    /// Set token ids that were unknown when they were appended, from position `first` on.
    pub fn set_tokens(&mut self, first: u32, tokens: &[i32]) -> Result<()> {
        let count = count_of(tokens.len(), "tokens")?;
        check(unsafe { sys::akv_sequence_set_tokens(self.raw(), self.id.as_raw(), first, tokens.as_ptr(), count) })
    }

    /// The K/V of the first `length` tokens exist, or will when `ticket` ends well.
    pub fn commit(&mut self, length: u32, ticket: Option<Ticket>) -> Result<()> {
        check(unsafe { sys::akv_sequence_commit(self.raw(), self.id.as_raw(), length, Ticket::raw(ticket)) })
    }

    /// A second sequence over the same blocks, with the first `length` tokens (`None`: all); no byte moves.
    pub fn fork(&mut self, length: Option<u32>, options: &SequenceOptions) -> Result<Sequence> {
        let (mut child, options, length) = (0, options.to_raw(), length.unwrap_or(sys::AKV_UNSET));
        check(unsafe { sys::akv_sequence_fork(self.raw(), self.id.as_raw(), length, &options, &mut child) })?;
        Ok(self.cache.sequence(SequenceId::from_raw(child)))
    }

    /// Drop all tokens from position `length` on.
    pub fn truncate(&mut self, length: u32, flags: TruncateFlags) -> Result<()> {
        check(unsafe { sys::akv_sequence_truncate(self.raw(), self.id.as_raw(), length, flags.as_raw()) })
    }

    /// Move the length inside the blocks that it has.
    pub fn set_length(&mut self, length: u32) -> Result<()> {
        check(unsafe { sys::akv_sequence_set_length(self.raw(), self.id.as_raw(), length) })
    }

    /// End it, and hear if that went wrong: dropping does the same in silence.
    pub fn free(&mut self) -> Result<()> {
        check(unsafe { sys::akv_sequence_free(self.raw(), self.id.as_raw()) })
    }

    pub fn info(&self) -> Result<SequenceInfo> {
        let mut raw = sys::akv_sequence_info::INIT;
        check(unsafe { sys::akv_sequence_read_info(self.raw(), self.id.as_raw(), &mut raw) })?;
        Ok(SequenceInfo {
            length: raw.length,
            known: raw.known,
            committed: raw.committed,
            published_tokens: raw.published_tokens,
            sound_tokens: raw.sound_tokens,
            num_blocks: raw.num_blocks,
            shared_blocks: raw.shared_blocks,
            capacity: raw.capacity,
            remaining: raw.remaining,
            max_tokens: raw.max_tokens,
            version: raw.version,
            request_id: raw.request_id,
            owner: raw.owner,
            domain: raw.domain,
            plan: (raw.plan != sys::AKV_NONE).then_some(PlanId::from_raw(raw.plan)),
            wait: Ticket::option(raw.wait),
            state: known(SequenceState::from_raw(raw.state), "state", raw.state)?,
            swap_blocks: raw.swap_blocks,
        })
    }

    /// Token ids from position `first` on into `out`; [`TOKEN_UNKNOWN`] where not known.
    pub fn read_tokens(&self, first: u32, out: &mut [i32]) -> Result<()> {
        let count = count_of(out.len(), "out")?;
        check(unsafe { sys::akv_sequence_read_tokens(self.raw(), self.id.as_raw(), first, count, out.as_mut_ptr()) })
    }

    /// Its block table, reserved blocks included.
    pub fn blocks(&self) -> Result<Vec<i32>> {
        read_list(32, 0, |blocks, capacity, count| unsafe {
            sys::akv_sequence_read_blocks(self.raw(), self.id.as_raw(), 0, blocks, capacity, count)
        })
    }

    /// The same into a slice; how many there are.
    pub fn read_blocks(&self, out: &mut [i32]) -> Result<usize> {
        let (mut count, capacity) = (0, count_of(out.len(), "out")?);
        check(unsafe {
            sys::akv_sequence_read_blocks(self.raw(), self.id.as_raw(), 0, out.as_mut_ptr(), capacity, &mut count)
        })?;
        Ok(count as usize)
    }

    /// Make the plan that swaps it out. Run it with [`Plan::copy_run_and_finish`].
    pub fn swap_out(&mut self) -> Result<Plan> {
        let mut plan = 0;
        check(unsafe { sys::akv_sequence_swap_out(self.raw(), self.id.as_raw(), &mut plan) })?;
        Plan::option(&self.cache, plan).ok_or_else(|| Error::new(Status::Damaged, "a swap without a plan"))
    }

    /// Make the plan that swaps it in.
    pub fn swap_in(&mut self) -> Result<SwappedIn> {
        let mut raw = sys::akv_swapped_in::INIT;
        check(unsafe { sys::akv_sequence_swap_in(self.raw(), self.id.as_raw(), &mut raw) })?;
        Ok(SwappedIn {
            cached_tokens: raw.cached_tokens,
            copied_tokens: raw.copied_tokens,
            new_blocks: raw.new_blocks,
            plan: Plan::option(&self.cache, raw.plan),
            wait: Ticket::option(raw.wait),
        })
    }

    /// Lease the blocks of its first `num_tokens` tokens: whatever happens to it, they are not handed out again.
    pub fn lease_acquire(&mut self, num_tokens: u32, owner: u64) -> Result<Lease> {
        let (mut lease, mut wait) = (0, 0);
        check(unsafe {
            sys::akv_lease_acquire(self.raw(), self.id.as_raw(), num_tokens, owner, &mut lease, &mut wait)
        })?;
        Ok(Lease::own(&self.cache, LeaseId::from_raw(lease), Ticket::option(wait)))
    }

    /// Bytes that an image of its first `num_tokens` tokens has; 0: of all that are committed.
    pub fn image_bytes(&self, num_tokens: u32) -> Result<u64> {
        let mut bytes = 0;
        check(unsafe { sys::akv_image_bytes(self.raw(), self.id.as_raw(), num_tokens, &mut bytes) })?;
        Ok(bytes)
    }

    fn raw(&self) -> *mut sys::akv_cache {
        self.cache.as_raw()
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        // Freed before, it is BAD_HANDLE. BUSY: somebody has used its id in a batch, and it lives on until the cache ends.
        unsafe { sys::akv_sequence_free(self.cache.as_raw(), self.id.as_raw()) };
    }
}
