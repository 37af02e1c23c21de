// step.go: one call per scheduler step for the whole batch, and the tables that kernels read. Nothing here allocates.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// RowState says what a row of a block table holds: zero at first, and when the buffer, its width or the pad value changes;
// else left to the library.
type RowState struct {
	Sequence      SequenceID
	Version       uint32
	BlocksWritten uint32
}

// Batch says which sequences, and which tokens of each.
type Batch struct {
	Flags     uint32       // AppendBatch: AppendCommitted
	Sequences []SequenceID // none twice
	NumTokens []uint32     // of each sequence; nil: one each
	First     []uint32     // SetTokensBatch, ReadTables: position of the first of them. nil for AppendBatch
	Tokens    []int32      // ids, one sequence after the other; nil (AppendBatch): not known
}

// Tables are arrays to write to: yours, allocated once. One that is nil is not asked for. Their lengths are the room that
// they have; where that is too small the call answers ErrBufferTooSmall and has written nothing.
type Tables struct {
	Group    uint32
	Part     uint32
	PadBlock int32 // written behind the last block of a row

	// One element per query token.
	SlotMapping []int64
	Positions   []int64
	PaddedSlots uint64 // fill up to here with PadSlot and position 0; 0: none

	// One element per sequence, in the order of the batch.
	QueryStartLoc   []int32 // and one more
	KVIndptr        []int32 // and one more
	KVIndices       []int32
	KVLastPageLen   []int32
	PaddedSequences uint32

	// One row per sequence, kept in place.
	BlockTable     []int32
	RowStates      []RowState
	FirstPositions []int32
	SeqLens        []int32
	RowOf          []uint32 // row of each sequence, none twice; nil: its place in the batch
	RowWidth       uint32   // elements of a row that are written
	RowStride      uint64   // from one row to the next; 0: RowWidth
}

// room is the least of the lengths of the arrays that are asked for.
type room struct {
	least uint64
	asked bool
}

func (r *room) of(asked bool, elements int) {
	if asked && (!r.asked || uint64(elements) < r.least) {
		r.least, r.asked = uint64(elements), true
	}
}

// measure fills in what the lengths of the arrays say.
func (t *Tables) measure(step *C.go_step) error {
	var slots, sequences, rows room
	slots.of(t.SlotMapping != nil, len(t.SlotMapping))
	slots.of(t.Positions != nil, len(t.Positions))
	sequences.of(t.QueryStartLoc != nil, len(t.QueryStartLoc)-1)
	sequences.of(t.KVIndptr != nil, len(t.KVIndptr)-1)
	sequences.of(t.KVLastPageLen != nil, len(t.KVLastPageLen))
	rows.of(t.RowStates != nil, len(t.RowStates))
	rows.of(t.FirstPositions != nil, len(t.FirstPositions))
	rows.of(t.SeqLens != nil, len(t.SeqLens))
	stride := t.RowStride
	if stride == 0 {
		stride = uint64(t.RowWidth)
	}
	if t.BlockTable != nil {
		if stride < uint64(t.RowWidth) || stride == 0 {
			return refuse(ErrInvalidArgument, "rows of %d elements, %d apart", t.RowWidth, stride)
		}
		fitting := uint64(len(t.BlockTable)) / stride
		if uint64(len(t.BlockTable))%stride >= uint64(t.RowWidth) { // the last row needs no stride behind it
			fitting++
		}
		rows.of(true, int(fitting))
	}
	if (t.QueryStartLoc != nil && len(t.QueryStartLoc) == 0) || (t.KVIndptr != nil && len(t.KVIndptr) == 0) {
		return refuse(ErrBufferTooSmall, "QueryStartLoc and KVIndptr have an element more than there are sequences")
	}
	needed := max(int(step.num_sequences), int(t.PaddedSequences))
	if t.RowOf != nil && len(t.RowOf) < needed {
		return refuse(ErrBufferTooSmall, "RowOf has %d elements for %d sequences", len(t.RowOf), needed)
	}
	step.with_tables = 1
	step.group, step.part, step.pad_block = C.uint32_t(t.Group), C.uint32_t(t.Part), C.int32_t(t.PadBlock)
	step.slot_capacity, step.padded_slots = C.uint64_t(slots.least), C.uint64_t(t.PaddedSlots)
	step.sequence_capacity = C.uint32_t(min(sequences.least, uint64(Unset)))
	step.padded_sequences = C.uint32_t(t.PaddedSequences)
	step.kv_indices_capacity = C.uint64_t(len(t.KVIndices))
	step.row_stride, step.row_width = C.uint64_t(stride), C.uint32_t(t.RowWidth)
	step.num_rows = C.uint32_t(min(rows.least, uint64(Unset)))
	return nil
}

func (b *Batch) measure(step *C.go_step) error {
	if uint64(len(b.Sequences)) > uint64(Unset) || uint64(len(b.Tokens)) > uint64(Unset) {
		return refuse(ErrInvalidArgument, "%d sequences and %d tokens, at most %d", len(b.Sequences), len(b.Tokens), Unset)
	}
	if b.NumTokens != nil && len(b.NumTokens) != len(b.Sequences) {
		return refuse(ErrInvalidArgument, "NumTokens has %d elements for %d sequences", len(b.NumTokens), len(b.Sequences))
	}
	if b.First != nil && len(b.First) != len(b.Sequences) {
		return refuse(ErrInvalidArgument, "First has %d elements for %d sequences", len(b.First), len(b.Sequences))
	}
	step.flags, step.num_sequences = C.uint32_t(b.Flags), C.uint32_t(len(b.Sequences))
	step.tokens_count = C.uint32_t(len(b.Tokens))
	return nil
}

func (c *Cache) step(batch *Batch, tables *Tables, onlyRead C.uint32_t) (Plan, error) {
	step := C.go_step{only_read: onlyRead}
	if err := batch.measure(&step); err != nil {
		return Plan{}, err
	}
	var none Tables
	if tables == nil {
		tables = &none
	} else if err := tables.measure(&step); err != nil {
		return Plan{}, err
	}
	cache := c.enter()
	defer c.leave()
	var plan C.akv_plan
	err := check(C.go_sequence_step(cache, &step, (*C.akv_sequence)(unsafe.SliceData(batch.Sequences)),
		(*C.uint32_t)(unsafe.SliceData(batch.NumTokens)), (*C.uint32_t)(unsafe.SliceData(batch.First)),
		(*C.int32_t)(unsafe.SliceData(batch.Tokens)), (*C.int64_t)(unsafe.SliceData(tables.SlotMapping)),
		(*C.int64_t)(unsafe.SliceData(tables.Positions)), (*C.int32_t)(unsafe.SliceData(tables.QueryStartLoc)),
		(*C.int32_t)(unsafe.SliceData(tables.KVIndptr)), (*C.int32_t)(unsafe.SliceData(tables.KVIndices)),
		(*C.int32_t)(unsafe.SliceData(tables.KVLastPageLen)), (*C.int32_t)(unsafe.SliceData(tables.BlockTable)),
		(*C.akv_row_state)(unsafe.Pointer(unsafe.SliceData(tables.RowStates))),
		(*C.int32_t)(unsafe.SliceData(tables.FirstPositions)), (*C.int32_t)(unsafe.SliceData(tables.SeqLens)),
		(*C.uint32_t)(unsafe.SliceData(tables.RowOf)), &plan))
	return Plan{c, PlanID(plan)}, err
}

// AppendBatch grows sequences by NumTokens each and writes the tables for exactly these tokens: prefill chunks and decodes
// in one call. tables may be nil. One plan for the whole batch, all of whose sequences wait for it.
func (c *Cache) AppendBatch(batch *Batch, tables *Tables) (Plan, error) {
	return c.step(batch, tables, 0)
}

// ReadTables writes tables without growing, for NumTokens positions from First on (nil: the last ones).
func (c *Cache) ReadTables(batch *Batch, tables *Tables) error {
	if tables == nil {
		return refuse(ErrInvalidArgument, "no tables to write to")
	}
	_, err := c.step(batch, tables, 1)
	return err
}

// CommitBatch commits lengths[i] tokens of sequences[i]; lengths nil: all of each.
func (c *Cache) CommitBatch(sequences []SequenceID, lengths []uint32, ticket Ticket) error {
	if lengths != nil && len(lengths) != len(sequences) {
		return refuse(ErrInvalidArgument, "%d lengths for %d sequences", len(lengths), len(sequences))
	}
	if err := fits(len(sequences)); err != nil {
		return err
	}
	cache := c.enter()
	defer c.leave()
	return check(C.akv_sequence_commit_batch(cache, (*C.akv_sequence)(unsafe.SliceData(sequences)),
		(*C.uint32_t)(unsafe.SliceData(lengths)), C.uint32_t(len(sequences)), C.akv_ticket(ticket)))
}

// SetTokensBatch sets the sampled tokens of a step.
func (c *Cache) SetTokensBatch(batch *Batch) error {
	var step C.go_step
	if err := batch.measure(&step); err != nil {
		return err
	}
	cache := c.enter()
	defer c.leave()
	return check(C.go_sequence_set_tokens_batch(cache, (*C.akv_sequence)(unsafe.SliceData(batch.Sequences)),
		step.num_sequences, (*C.uint32_t)(unsafe.SliceData(batch.NumTokens)),
		(*C.uint32_t)(unsafe.SliceData(batch.First)), (*C.int32_t)(unsafe.SliceData(batch.Tokens)), step.tokens_count))
}

// TruncateBatch drops the rejected drafts of a step: all from position lengths[i] on.
func (c *Cache) TruncateBatch(sequences []SequenceID, lengths []uint32, flags uint32) error {
	if len(lengths) != len(sequences) {
		return refuse(ErrInvalidArgument, "%d lengths for %d sequences", len(lengths), len(sequences))
	}
	if err := fits(len(sequences)); err != nil {
		return err
	}
	cache := c.enter()
	defer c.leave()
	return check(C.akv_sequence_truncate_batch(cache, (*C.akv_sequence)(unsafe.SliceData(sequences)),
		(*C.uint32_t)(unsafe.SliceData(lengths)), C.uint32_t(len(sequences)), C.uint32_t(flags)))
}

// FreeBatch ends many: the live ones are freed and the stale ones counted. It is the one call that is not all or nothing:
// statuses (as long as sequences, or nil) tells each one's fate; those that are ErrBusy live on.
func (c *Cache) FreeBatch(sequences []SequenceID, statuses []Status) (freed, stale uint32, err error) {
	if statuses != nil && len(statuses) != len(sequences) {
		return 0, 0, refuse(ErrInvalidArgument, "%d statuses for %d sequences", len(statuses), len(sequences))
	}
	if err := fits(len(sequences)); err != nil {
		return 0, 0, err
	}
	cache := c.enter()
	defer c.leave()
	var numFreed, numStale C.uint32_t
	err = check(C.akv_sequence_free_batch(cache, (*C.akv_sequence)(unsafe.SliceData(sequences)),
		C.uint32_t(len(sequences)), &numFreed, &numStale, (*C.akv_status)(unsafe.SliceData(statuses))))
	return uint32(numFreed), uint32(numStale), err
}
