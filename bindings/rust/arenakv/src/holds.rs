//! holds.rs: what keeps blocks beside sequences: tickets, leases, pins, acquired swap blocks. It knows no bytes.
use arenakv_sys as sys;

use crate::error::{check, count_of, read_list, Result};
use crate::geometry::known;
use crate::{Cache, ClearFlags, LeaseId, Miss, PinId, Prompt, SequenceId, Ticket, TicketState};

impl Cache {
    /// Open a ticket: from now on freed blocks wait for it.
    #[must_use = "a ticket that is not retired or abandoned keeps freed blocks in quarantine"]
    pub fn ticket_open(&self) -> Result<Ticket> {
        let mut ticket = 0;
        check(unsafe { sys::akv_ticket_open(self.as_raw(), &mut ticket) })?;
        Ok(Ticket::from_raw(ticket))
    }

    /// The work has finished, and well.
    pub fn ticket_retire(&self, ticket: Ticket) -> Result<()> {
        check(unsafe { sys::akv_ticket_retire(self.as_raw(), ticket.as_raw()) })
    }

    /// The work has failed, and touches no memory any more. How many sequences lost content.
    pub fn ticket_abandon(&self, ticket: Ticket) -> Result<u32> {
        let mut sequences = 0;
        check(unsafe { sys::akv_ticket_abandon(self.as_raw(), ticket.as_raw(), &mut sequences) })?;
        Ok(sequences)
    }

    pub fn ticket_read(&self, ticket: Ticket) -> Result<TicketState> {
        let mut state = 0;
        check(unsafe { sys::akv_ticket_read(self.as_raw(), ticket.as_raw(), &mut state) })?;
        known(TicketState::from_raw(state), "ticket state", state)
    }

    /// How much of this prompt is cached? Nothing is acquired.
    pub fn prefix_match(&self, prompt: &Prompt<'_>) -> Result<Match> {
        let (mut raw, prompt) = (sys::akv_match::INIT, prompt.to_raw()?);
        check(unsafe { sys::akv_prefix_match(self.as_raw(), &prompt, &mut raw) })?;
        Ok(Match {
            cached_tokens: raw.cached_tokens,
            partial_tokens: raw.partial_tokens,
            cached_blocks: raw.cached_blocks,
            wait: Ticket::option(raw.wait),
        })
    }

    /// Why a prompt hits as far as it does, and no further: for the operator, not for tenants.
    pub fn prefix_explain(&self, prompt: &Prompt<'_>) -> Result<Explanation> {
        let (mut raw, prompt) = (sys::akv_explanation::INIT, prompt.to_raw()?);
        check(unsafe { sys::akv_prefix_explain(self.as_raw(), &prompt, &mut raw) })?;
        Ok(Explanation {
            reason: known(Miss::from_raw(raw.reason), "reason", raw.reason)?,
            cached_tokens: raw.cached_tokens,
            partial_tokens: raw.partial_tokens,
            first_missed: raw.first_missed,
            wait: Ticket::option(raw.wait),
            sequence: (raw.sequence != sys::AKV_NONE).then_some(SequenceId::from_raw(raw.sequence)),
        })
    }

    /// Pin the cached blocks of a prompt: they don't leave by eviction while the pin lives.
    pub fn prefix_pin(&self, prompt: &Prompt<'_>, owner: u64) -> Result<Pin> {
        let (mut pin, mut tokens, prompt) = (0, 0, prompt.to_raw()?);
        check(unsafe { sys::akv_prefix_pin(self.as_raw(), &prompt, owner, &mut pin, &mut tokens) })?;
        Ok(Pin { cache: self.clone(), id: PinId::from_raw(pin), tokens })
    }

    /// Own a pin that is known by its id.
    pub fn pin(&self, id: PinId) -> Pin {
        Pin { cache: self.clone(), id, tokens: 0 }
    }

    /// Own a lease that is known by its id.
    pub fn lease(&self, id: LeaseId) -> Lease {
        Lease::own(self, id, None)
    }

    /// Make what is in the index unfindable, of one domain or of all. How many blocks left it.
    pub fn prefix_clear(&self, domain: Option<u64>, flags: ClearFlags) -> Result<u32> {
        let (mut blocks, pointer) = (0, domain.as_ref().map_or(std::ptr::null(), std::ptr::from_ref));
        check(unsafe { sys::akv_prefix_clear(self.as_raw(), pointer, flags.as_raw(), &mut blocks) })?;
        Ok(blocks)
    }

    /// Take swap blocks for bytes of your own: all or none.
    pub fn swap_acquire(&self, count: u32) -> Result<SwapBlocks> {
        let mut blocks = vec![0; count as usize];
        check(unsafe { sys::akv_swap_acquire(self.as_raw(), count, blocks.as_mut_ptr()) })?;
        Ok(SwapBlocks { cache: self.clone(), blocks })
    }

    /// Give swap blocks back by id, of [`SwapBlocks::into_blocks`].
    pub fn swap_release(&self, blocks: &[i32]) -> Result<()> {
        let count = count_of(blocks.len(), "blocks")?;
        check(unsafe { sys::akv_swap_release(self.as_raw(), blocks.as_ptr(), count) })
    }
}

/// How much of a prompt is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub cached_tokens: u32,
    pub partial_tokens: u32,
    pub cached_blocks: u32,
    /// Its writer has not finished: what to wait for.
    pub wait: Option<Ticket>,
}

/// Why a prompt hits as far as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub reason: Miss,
    pub cached_tokens: u32,
    pub partial_tokens: u32,
    pub first_missed: u32,
    pub wait: Option<Ticket>,
    /// `NotCommitted`: who has it.
    pub sequence: Option<SequenceId>,
}

/// Cached blocks that do not leave by eviction until this is dropped.
#[derive(Debug)]
#[must_use = "dropped, it pins nothing"]
pub struct Pin {
    cache: Cache,
    id: PinId,
    tokens: u32,
}

impl Pin {
    pub fn id(&self) -> PinId {
        self.id
    }

    /// How many tokens were pinned.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    pub fn into_id(self) -> PinId {
        let mut this = std::mem::ManuallyDrop::new(self);
        unsafe { std::ptr::drop_in_place(&mut this.cache) };
        this.id
    }

    /// End it, and hear if that went wrong.
    pub fn unpin(&mut self) -> Result<()> {
        check(unsafe { sys::akv_prefix_unpin(self.cache.as_raw(), self.id.as_raw()) })
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        unsafe { sys::akv_prefix_unpin(self.cache.as_raw(), self.id.as_raw()) };
    }
}

/// Blocks that are not handed out again until this is dropped, whatever happens to their sequence.
#[derive(Debug)]
#[must_use = "dropped, it keeps nothing"]
pub struct Lease {
    cache: Cache,
    id: LeaseId,
    wait: Option<Ticket>,
}

impl Lease {
    pub(crate) fn own(cache: &Cache, id: LeaseId, wait: Option<Ticket>) -> Lease {
        Lease { cache: cache.clone(), id, wait }
    }

    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// What an outgoing transfer waits for before it reads.
    pub fn wait(&self) -> Option<Ticket> {
        self.wait
    }

    pub fn into_id(self) -> LeaseId {
        let mut this = std::mem::ManuallyDrop::new(self);
        unsafe { std::ptr::drop_in_place(&mut this.cache) };
        this.id
    }

    /// The leased blocks in order of position: use these ids, not the sequence's table.
    pub fn blocks(&self) -> Result<Vec<i32>> {
        read_list(32, 0, |blocks, capacity, count| unsafe {
            sys::akv_lease_read_blocks(self.cache.as_raw(), self.id.as_raw(), blocks, capacity, count)
        })
    }

    /// End it, and hear if that went wrong.
    pub fn release(&mut self) -> Result<()> {
        check(unsafe { sys::akv_lease_release(self.cache.as_raw(), self.id.as_raw()) })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        unsafe { sys::akv_lease_release(self.cache.as_raw(), self.id.as_raw()) };
    }
}

/// Swap blocks for bytes of your own, given back when this is dropped.
#[derive(Debug)]
#[must_use = "dropped, they are given back"]
pub struct SwapBlocks {
    cache: Cache,
    blocks: Vec<i32>,
}

impl SwapBlocks {
    pub fn blocks(&self) -> &[i32] {
        &self.blocks
    }

    /// Keep them without this owner; [`Cache::swap_release`] gives them back.
    pub fn into_blocks(mut self) -> Vec<i32> {
        std::mem::take(&mut self.blocks)
    }
}

impl Drop for SwapBlocks {
    fn drop(&mut self) {
        let _ = self.cache.swap_release(&self.blocks);
    }
}
