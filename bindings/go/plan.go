// plan.go: what must be copied or zeroed, and the swap blocks that sequences leave for. Bytes are moved in copy.go.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// PlanID is a plan as a number; 0 is none.
type PlanID uint64

// Plan is what must be copied or zeroed before the next kernel: CopyRun it and Finish it, or Abandon it.
type Plan struct {
	cache *Cache
	ID    PlanID
}

// Plan is the plan with this number, as an info tells it.
func (c *Cache) Plan(id PlanID) Plan { return Plan{c, id} }

// None: there is nothing to do.
func (p Plan) None() bool { return p.ID == 0 }

// PlanKind is what a record does.
type PlanKind uint32

// The kinds of arenakv/plan.h.
const (
	PlanCopyOnWrite PlanKind = C.AKV_PLAN_COPY_ON_WRITE
	PlanPartial     PlanKind = C.AKV_PLAN_PARTIAL
	PlanZero        PlanKind = C.AKV_PLAN_ZERO
	PlanSwapOut     PlanKind = C.AKV_PLAN_SWAP_OUT
	PlanSwapIn      PlanKind = C.AKV_PLAN_SWAP_IN
)

// PlanRecord is one record, for all layers and planes of a group.
type PlanRecord struct {
	Kind        PlanKind
	Group       uint16
	Part        uint16
	SourceBlock int32
	TargetBlock int32
	SourceStore uint32
	TargetStore uint32
	FirstToken  uint32
	NumTokens   uint32
	Sequence    SequenceID
	Wait        Ticket
	Cookie      uint64
}

// PlanInfo is a plan's size and price.
type PlanInfo struct {
	structSize   uint32
	NumRecords   uint32
	NumSequences uint32
	_            uint32
	CopiedTokens uint64
	ZeroedBlocks uint64
}

// Info reads the plan's size and price.
func (p Plan) Info() (PlanInfo, error) {
	info := PlanInfo{structSize: uint32(unsafe.Sizeof(PlanInfo{}))}
	cache := p.cache.enter()
	defer p.cache.leave()
	err := check(C.akv_plan_read_info(cache, C.akv_plan(p.ID), (*C.akv_plan_info)(unsafe.Pointer(&info))))
	return info, err
}

// ReadRecords fills records with those from number first on, in the order in which they must run. It tells how many the
// plan has, also with ErrBufferTooSmall, when the buffer is full of them.
func (p Plan) ReadRecords(first uint32, records []PlanRecord) (int, error) {
	if err := fits(len(records)); err != nil {
		return 0, err
	}
	cache := p.cache.enter()
	defer p.cache.leave()
	var count C.uint32_t
	err := check(C.akv_plan_read_records(cache, C.akv_plan(p.ID), C.uint32_t(first),
		(*C.akv_plan_record)(unsafe.Pointer(unsafe.SliceData(records))), C.uint32_t(len(records)), &count))
	return int(count), err
}

// Records are the plan's records, in a slice of their own.
func (p Plan) Records() ([]PlanRecord, error) {
	info, err := p.Info()
	if err != nil {
		return nil, err
	}
	records := make([]PlanRecord, info.NumRecords)
	_, err = p.ReadRecords(0, records)
	return records, err
}

// Finish: the records have run (ticket 0), or are queued and will have when the ticket ends well.
func (p Plan) Finish(ticket Ticket) error {
	cache := p.cache.enter()
	defer p.cache.leave()
	return check(C.akv_plan_finish(cache, C.akv_plan(p.ID), C.akv_ticket(ticket)))
}

// Abandon: the plan will not run. Its sequences are rolled back to before the call that made it.
func (p Plan) Abandon() error {
	cache := p.cache.enter()
	defer p.cache.leave()
	return check(C.akv_plan_abandon(cache, C.akv_plan(p.ID)))
}

// SwapOut makes the plan that swaps the sequence out: CopyRun it with RunFinish.
func (s Sequence) SwapOut() (Plan, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	var plan C.akv_plan
	err := check(C.akv_sequence_swap_out(cache, C.akv_sequence(s.ID), &plan))
	return Plan{s.cache, PlanID(plan)}, err
}

// SwappedIn is what comes back, and how.
type SwappedIn struct {
	CachedTokens uint32 // still cached: shared, nothing is copied
	CopiedTokens uint32 // that the plan copies
	NewBlocks    uint32
	Plan         Plan // None: nothing to copy, it is active already
	Wait         Ticket
}

// SwapIn makes the plan that swaps the sequence in.
func (s Sequence) SwapIn() (SwappedIn, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	in := C.akv_swapped_in{struct_size: C.sizeof_akv_swapped_in}
	if err := check(C.akv_sequence_swap_in(cache, C.akv_sequence(s.ID), &in)); err != nil {
		return SwappedIn{}, err
	}
	return SwappedIn{CachedTokens: uint32(in.cached_tokens), CopiedTokens: uint32(in.copied_tokens),
		NewBlocks: uint32(in.new_blocks), Plan: Plan{s.cache, PlanID(in.plan)}, Wait: Ticket(in.wait)}, nil
}

// AcquireSwap takes swap blocks for bytes of your own: as many as blocks has room for, all or none.
func (c *Cache) AcquireSwap(blocks []int32) error {
	if err := fits(len(blocks)); err != nil {
		return err
	}
	cache := c.enter()
	defer c.leave()
	return check(C.akv_swap_acquire(cache, C.uint32_t(len(blocks)), (*C.int32_t)(unsafe.SliceData(blocks))))
}

// ReleaseSwap gives swap blocks back that AcquireSwap gave.
func (c *Cache) ReleaseSwap(blocks []int32) error {
	if err := fits(len(blocks)); err != nil {
		return err
	}
	cache := c.enter()
	defer c.leave()
	return check(C.akv_swap_release(cache, (*C.int32_t)(unsafe.SliceData(blocks)), C.uint32_t(len(blocks))))
}
