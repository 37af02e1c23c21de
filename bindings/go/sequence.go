// sequence.go: one list of tokens mapped to blocks, from Create to Free. step.go does the same for a whole batch.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// SequenceID is a sequence as a number, for batches; 0 is none.
type SequenceID uint64

// Sequence is a sequence of a cache: a value, copied at will. It ends with Free, or with its cache.
type Sequence struct {
	cache *Cache
	ID    SequenceID
}

// Sequence is the sequence with this number, as it came out of a batch, an info or Find.
func (c *Cache) Sequence(id SequenceID) Sequence { return Sequence{c, id} }

// Prompt is the beginning of a sequence: token ids in a domain. Where it has TokenUnknown, what is known ends.
type Prompt struct {
	Tokens []int32
	Domain uint64 // the trust domain, and everything else that changes K/V: tenant, adapter. Compared exactly
}

// Flags of SequenceOptions.
const (
	SequenceCommitted  uint32 = C.AKV_SEQUENCE_COMMITTED   // for simulators: the prompt's K/V count as written
	SequencePartial    uint32 = C.AKV_SEQUENCE_PARTIAL     // also take hits that end inside a block; you run the plan
	SequencePrefixOnly uint32 = C.AKV_SEQUENCE_PREFIX_ONLY // place the cached prefix only; the prompt follows in chunks
	SequenceNoMatch    uint32 = C.AKV_SEQUENCE_NO_MATCH    // share nothing
	SequenceContiguous uint32 = C.AKV_SEQUENCE_CONTIGUOUS  // neighbouring blocks: wants BlockAllocatorBuddy
	SequenceNoPublish  uint32 = C.AKV_SEQUENCE_NO_PUBLISH  // what is computed here is never found by others
)

// SequenceOptions are of one sequence. Zero means default.
type SequenceOptions struct {
	structSize    uint32
	Flags         uint32 // Sequence...
	RequestID     uint64 // yours, for Find; unique among live sequences. 0: none
	Owner         uint64 // yours, for DropOwner. 0: none
	ReserveTokens uint32 // take blocks for this many tokens from the start
	MaxTokens     uint32 // it may never be longer
}

// sized is a copy that C can read; nil stays default.
func (o *SequenceOptions) sized() SequenceOptions {
	var options SequenceOptions
	if o != nil {
		options = *o
	}
	options.structSize = uint32(unsafe.Sizeof(options))
	return options
}

// Created is what a new sequence got.
type Created struct {
	Sequence      Sequence
	Plan          Plan   // run and finish it before the first kernel that reads; None: nothing to do
	Wait          Ticket // the shared blocks' writer has not finished; 0: nothing to wait for
	Length        uint32
	CachedTokens  uint32 // shared in whole blocks
	PartialTokens uint32 // copied by the plan; start computing behind these
	SharedBlocks  uint32
	NewBlocks     uint32
}

func (c *Cache) created(made *C.akv_created) Created {
	return Created{Sequence: Sequence{c, SequenceID(made.sequence)}, Plan: Plan{c, PlanID(made.plan)},
		Wait: Ticket(made.wait), Length: uint32(made.length), CachedTokens: uint32(made.cached_tokens),
		PartialTokens: uint32(made.partial_tokens), SharedBlocks: uint32(made.shared_blocks),
		NewBlocks: uint32(made.new_blocks)}
}

// Create makes a sequence for a prompt: what is cached is shared, blocks are taken for the rest. options may be nil.
func (c *Cache) Create(prompt Prompt, options *SequenceOptions) (Created, error) {
	if err := fits(len(prompt.Tokens)); err != nil {
		return Created{}, err
	}
	cache := c.enter()
	defer c.leave()
	chosen := options.sized()
	made := C.akv_created{struct_size: C.sizeof_akv_created}
	err := check(C.go_sequence_create(cache, (*C.int32_t)(unsafe.SliceData(prompt.Tokens)), C.uint32_t(len(prompt.Tokens)),
		C.uint64_t(prompt.Domain), (*C.akv_sequence_options)(unsafe.Pointer(&chosen)), &made))
	if err != nil {
		return Created{}, err
	}
	return c.created(&made), nil
}

// Room tells whether something will fit: the numbers that an error would name, before the attempt.
type Room struct {
	structSize         uint32
	Status             Status // what the call would answer now
	BlocksNeeded       uint32
	BlocksAvailable    uint32
	BlocksFree         uint32
	BlocksEvictable    uint32
	BlocksQuarantined  uint32
	SequencesAvailable uint32
	TokensAvailable    uint64
	OldestOpen         Ticket
}

// CanAllocate asks whether Create with these arguments would succeed.
func (c *Cache) CanAllocate(prompt Prompt, options *SequenceOptions) (Room, error) {
	room := Room{structSize: uint32(unsafe.Sizeof(Room{}))}
	if err := fits(len(prompt.Tokens)); err != nil {
		return Room{}, err
	}
	cache := c.enter()
	defer c.leave()
	chosen := options.sized()
	err := check(C.go_cache_can_allocate(cache, (*C.int32_t)(unsafe.SliceData(prompt.Tokens)),
		C.uint32_t(len(prompt.Tokens)), C.uint64_t(prompt.Domain), (*C.akv_sequence_options)(unsafe.Pointer(&chosen)),
		(*C.akv_room)(unsafe.Pointer(&room))))
	return room, err
}

// CanExtend asks whether appending so many tokens would succeed.
func (s Sequence) CanExtend(numTokens uint32) (Room, error) {
	room := Room{structSize: uint32(unsafe.Sizeof(Room{}))}
	cache := s.cache.enter()
	defer s.cache.leave()
	err := check(C.akv_sequence_can_extend(cache, C.akv_sequence(s.ID), C.uint32_t(numTokens),
		(*C.akv_room)(unsafe.Pointer(&room))))
	return room, err
}

// AppendCommitted is a flag for simulators: and commit up to the new length.
const AppendCommitted uint32 = C.AKV_APPEND_COMMITTED

// Append appends tokens. A shared last block is replaced by one of its own: the plan says what to copy before the next
// kernel, and is None where there is nothing to copy.
func (s Sequence) Append(tokens []int32, flags uint32) (Plan, error) {
	if err := fits(len(tokens)); err != nil {
		return Plan{}, err
	}
	return s.append((*C.int32_t)(unsafe.SliceData(tokens)), C.uint32_t(len(tokens)), flags)
}

// AppendUnknown appends tokens whose ids come later, with SetTokens.
func (s Sequence) AppendUnknown(numTokens uint32, flags uint32) (Plan, error) {
	return s.append(nil, C.uint32_t(numTokens), flags)
}

func (s Sequence) append(tokens *C.int32_t, numTokens C.uint32_t, flags uint32) (Plan, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	var plan C.akv_plan
	err := check(C.akv_sequence_append(cache, C.akv_sequence(s.ID), tokens, numTokens, C.uint32_t(flags), &plan))
	return Plan{s.cache, PlanID(plan)}, err
}

// Reserve makes sure that the sequence has blocks of its own up to so many tokens, without changing the length.
func (s Sequence) Reserve(numTokens uint32) (Plan, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	var plan C.akv_plan
	err := check(C.akv_sequence_reserve(cache, C.akv_sequence(s.ID), C.uint32_t(numTokens), &plan))
	return Plan{s.cache, PlanID(plan)}, err
}

// SetTokens sets ids that were unknown when they were appended, from position first on.
func (s Sequence) SetTokens(first uint32, tokens []int32) error {
	if err := fits(len(tokens)); err != nil {
		return err
	}
	cache := s.cache.enter()
	defer s.cache.leave()
	return check(C.akv_sequence_set_tokens(cache, C.akv_sequence(s.ID), C.uint32_t(first),
		(*C.int32_t)(unsafe.SliceData(tokens)), C.uint32_t(len(tokens))))
}

// Commit: the K/V of the first length tokens exist, or will when the ticket ends well (0: they do).
func (s Sequence) Commit(length uint32, ticket Ticket) error {
	cache := s.cache.enter()
	defer s.cache.leave()
	return check(C.akv_sequence_commit(cache, C.akv_sequence(s.ID), C.uint32_t(length), C.akv_ticket(ticket)))
}

// Fork makes a second sequence over the first length tokens (Unset: all). No byte moves. options may be nil.
func (s Sequence) Fork(length uint32, options *SequenceOptions) (Sequence, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	chosen := options.sized()
	var child C.akv_sequence
	err := check(C.akv_sequence_fork(cache, C.akv_sequence(s.ID), C.uint32_t(length),
		(*C.akv_sequence_options)(unsafe.Pointer(&chosen)), &child))
	return Sequence{s.cache, SequenceID(child)}, err
}

// TruncateKeepBlocks: its own blocks behind the new end stay with it as reserved ones.
const TruncateKeepBlocks uint32 = C.AKV_TRUNCATE_KEEP_BLOCKS

// Truncate drops all tokens from position length on, and the blocks behind.
func (s Sequence) Truncate(length uint32, flags uint32) error {
	cache := s.cache.enter()
	defer s.cache.leave()
	return check(C.akv_sequence_truncate(cache, C.akv_sequence(s.ID), C.uint32_t(length), C.uint32_t(flags)))
}

// SetLength moves the length inside the blocks that the sequence has.
func (s Sequence) SetLength(length uint32) error {
	cache := s.cache.enter()
	defer s.cache.leave()
	return check(C.akv_sequence_set_length(cache, C.akv_sequence(s.ID), C.uint32_t(length)))
}

// Free ends the sequence. What is committed stays as cached prefix, the rest goes back. A second one is ErrBadHandle.
func (s Sequence) Free() error {
	cache := s.cache.enter()
	defer s.cache.leave()
	return check(C.akv_sequence_free(cache, C.akv_sequence(s.ID)))
}

// Find is the live sequence with this request id.
func (c *Cache) Find(requestID uint64) (Sequence, error) {
	cache := c.enter()
	defer c.leave()
	var found C.akv_sequence
	err := check(C.akv_sequence_find(cache, C.uint64_t(requestID), &found))
	return Sequence{c, SequenceID(found)}, err
}

// DropInFlight: also its leases, and what open plans have for its sequences: you vouch that nothing of it works any more.
const DropInFlight uint32 = C.AKV_DROP_IN_FLIGHT

// DropOwner releases what an owner has: sequences and pins. It tells how many that were.
func (c *Cache) DropOwner(owner uint64, flags uint32) (uint32, error) {
	cache := c.enter()
	defer c.leave()
	var released C.uint32_t
	err := check(C.akv_cache_drop_owner(cache, C.uint64_t(owner), C.uint32_t(flags), &released))
	return uint32(released), err
}

// SequenceState says where a sequence's K/V are.
type SequenceState uint32

// The states of arenakv/sequence.h.
const (
	SequenceActive      SequenceState = C.AKV_SEQUENCE_ACTIVE
	SequenceSwappingOut SequenceState = C.AKV_SEQUENCE_SWAPPING_OUT
	SequenceSwapped     SequenceState = C.AKV_SEQUENCE_SWAPPED
	SequenceSwappingIn  SequenceState = C.AKV_SEQUENCE_SWAPPING_IN
)

// SequenceInfo is what there is to know about one sequence.
type SequenceInfo struct {
	structSize      uint32
	Length          uint32
	Known           uint32
	Committed       uint32
	PublishedTokens uint32
	SoundTokens     uint32
	NumBlocks       uint32
	SharedBlocks    uint32
	Capacity        uint32
	Remaining       uint32
	MaxTokens       uint32
	Version         uint32
	RequestID       uint64
	Owner           uint64
	Domain          uint64
	Plan            PlanID
	Wait            Ticket
	State           SequenceState
	SwapBlocks      uint32
}

// Info reads what there is to know about the sequence.
func (s Sequence) Info() (SequenceInfo, error) {
	info := SequenceInfo{structSize: uint32(unsafe.Sizeof(SequenceInfo{}))}
	cache := s.cache.enter()
	defer s.cache.leave()
	err := check(C.akv_sequence_read_info(cache, C.akv_sequence(s.ID), (*C.akv_sequence_info)(unsafe.Pointer(&info))))
	return info, err
}

// ReadTokens fills tokens with the ids from position first on, TokenUnknown where they are not known.
func (s Sequence) ReadTokens(first uint32, tokens []int32) error {
	if err := fits(len(tokens)); err != nil {
		return err
	}
	cache := s.cache.enter()
	defer s.cache.leave()
	return check(C.akv_sequence_read_tokens(cache, C.akv_sequence(s.ID), C.uint32_t(first), C.uint32_t(len(tokens)),
		(*C.int32_t)(unsafe.SliceData(tokens))))
}

// ReadBlocks fills blocks with the ids of the sequence's blocks in a layer group, reserved ones included, and tells how
// many there are, also with ErrBufferTooSmall.
func (s Sequence) ReadBlocks(group uint32, blocks []int32) (int, error) {
	if err := fits(len(blocks)); err != nil {
		return 0, err
	}
	cache := s.cache.enter()
	defer s.cache.leave()
	var count C.uint32_t
	err := check(C.akv_sequence_read_blocks(cache, C.akv_sequence(s.ID), C.uint32_t(group),
		(*C.int32_t)(unsafe.SliceData(blocks)), C.uint32_t(len(blocks)), &count))
	return int(count), err
}

// Blocks are the ids of the sequence's blocks, in a slice of their own.
func (s Sequence) Blocks() ([]int32, error) {
	return readAll(func(blocks []int32) (int, error) { return s.ReadBlocks(0, blocks) })
}
