// tail.go: two tiers of precision: the last tokens of each sequence in full precision, all before them quantized.
package arenakv

// #include "shim.h"
import "C"

import (
	"runtime"
	"slices"
	"unsafe"
)

// TailConfig is what a tail is made of. Zero means default.
type TailConfig struct {
	DType        DType     // DTypeBF16
	TailTokens   uint32    // that are never moved; 256
	SlackTokens  uint32    // that may come before the next overflow; the store's block
	MaxSequences uint32    // rows; 64
	HeadScales   []float32 // of planes with ScalingHead: [stored layer][plane][head]; nil: all are 1
}

// tailMaking is a configuration as C takes it.
type tailMaking struct {
	pins runtime.Pinner
	made *C.akv_tail_config // by itself: cgo looks at the whole of what it lies in
}

func (m *tailMaking) configure(s *Store, config *TailConfig) error {
	m.made = &C.akv_tail_config{struct_size: C.sizeof_akv_tail_config}
	if config == nil {
		return nil
	}
	m.made.dtype, m.made.tail_tokens = C.uint32_t(config.DType), C.uint32_t(config.TailTokens)
	m.made.slack_tokens, m.made.max_sequences = C.uint32_t(config.SlackTokens), C.uint32_t(config.MaxSequences)
	m.made.head_scales = (*C.float)(pin(&m.pins, slices.Clone(config.HeadScales)))
	return s.checkHeadScales(config.HeadScales)
}

// OpenTailStore makes the store of a tail: the layers and heads of this one, planes of tail.DType, and a ring of blocks for
// each row. Both may be nil. Close it after the tail.
func (s *Store) OpenTailStore(tail *TailConfig, config *StoreConfig) (*Store, error) {
	if s == nil {
		return nil, refuse(ErrBadHandle, "no store")
	}
	store := s.enter()
	defer s.leave()
	var making tailMaking
	defer making.pins.Unpin()
	if err := making.configure(s, tail); err != nil {
		return nil, err
	}
	planes := make([]Plane, len(s.shape.planes))
	for i := range planes { // of numbers: no codes, no scales
		planes[i].Role = s.shape.planes[i].role
	}
	return openStore(config, s.shape.firstLayer, planes, func(made *C.akv_store_config, out **C.akv_store) C.akv_status {
		return C.akv_tail_create_store(store, making.made, made, out)
	})
}

// Tail is the full-precision tier of sequences that run. A row of it belongs to one caller at a time.
type Tail struct{ object }

func (t *Tail) enter() *C.akv_tail {
	hold()
	if t == nil {
		return nil
	}
	handle := t.handle
	collect()
	return *(**C.akv_tail)(unsafe.Pointer(&handle))
}

func (t *Tail) leave() {
	release()
	runtime.KeepAlive(t)
}

// OpenTail makes a tail over this quantized store, and a store that OpenTailStore made with the same config. Close it before
// them.
func (s *Store) OpenTail(tailStore *Store, config *TailConfig) (*Tail, error) {
	store := s.enter()
	defer s.leave()
	rings := tailStore.enter()
	defer tailStore.leave()
	var making tailMaking
	defer making.pins.Unpin()
	if err := making.configure(s, config); err != nil {
		return nil, err
	}
	var handle *C.akv_tail
	if err := check(C.akv_tail_create(store, rings, making.made, &handle)); err != nil {
		return nil, err
	}
	tail := new(Tail)
	watch(tail, &tail.object, net{*(*uintptr)(unsafe.Pointer(&handle)), destroyTail, []any{s, tailStore}})
	return tail, nil
}

func destroyTail(handle uintptr) error {
	return check(C.akv_tail_destroy(*(**C.akv_tail)(unsafe.Pointer(&handle))))
}

// Close ends the tail; rows may be open. Queued work of it makes it ErrBusy.
func (t *Tail) Close() error {
	if t == nil {
		return nil
	}
	return t.close()
}

// TailInfo is what a tail is.
type TailInfo struct {
	structSize   uint32
	DType        DType
	BlockTokens  uint32
	TailTokens   uint32
	SlackTokens  uint32
	RingBlocks   uint32
	MaxSequences uint32
	OpenRows     uint32
}

// Info reads what the tail is.
func (t *Tail) Info() (TailInfo, error) {
	info := TailInfo{structSize: uint32(unsafe.Sizeof(TailInfo{}))}
	tail := t.enter()
	defer t.leave()
	err := check(C.akv_tail_read_info(tail, (*C.akv_tail_info)(unsafe.Pointer(&info))))
	return info, err
}

// TailRow is one sequence's row of a tail; 0 is none.
type TailRow uint64

// OpenRow opens a row for a sequence whose first storedTokens tokens, whole blocks, are in the quantized store.
func (t *Tail) OpenRow(storedTokens uint32) (TailRow, error) {
	tail := t.enter()
	defer t.leave()
	var row C.akv_tail_row
	err := check(C.akv_tail_open(tail, C.uint32_t(storedTokens), &row))
	return TailRow(row), err
}

// CloseRow gives up what is in the row's ring.
func (t *Tail) CloseRow(row TailRow) error {
	tail := t.enter()
	defer t.leave()
	return check(C.akv_tail_close(tail, C.akv_tail_row(row)))
}

// ReadSlots fills in the slots in the tail's store of tokens at these positions, for CopyWriteTokens.
func (t *Tail) ReadSlots(rows []TailRow, positions []uint32, slots []int64) error {
	if len(rows) != len(positions) || len(slots) != len(positions) {
		return refuse(ErrInvalidArgument, "%d rows, %d positions, room for %d slots", len(rows), len(positions), len(slots))
	}
	if err := fits(len(rows)); err != nil {
		return err
	}
	tail := t.enter()
	defer t.leave()
	return check(C.akv_tail_read_slots(tail, (*C.akv_tail_row)(unsafe.SliceData(rows)),
		(*C.uint32_t)(unsafe.SliceData(positions)), C.uint32_t(len(rows)), (*C.int64_t)(unsafe.SliceData(slots))))
}

// ReadTables fills in block tables [row][stride], padded with the null block, and the tokens that are in the quantized store.
func (t *Tail) ReadTables(rows []TailRow, table []int32, stride uint32, stored []uint32) error {
	if uint64(len(table)) < uint64(len(rows))*uint64(stride) || len(stored) != len(rows) {
		return refuse(ErrBufferTooSmall, "%d rows of %d, room for %d entries and %d lengths", len(rows), stride, len(table), len(stored))
	}
	if err := fits(len(rows)); err != nil {
		return err
	}
	tail := t.enter()
	defer t.leave()
	return check(C.akv_tail_read_tables(tail, (*C.akv_tail_row)(unsafe.SliceData(rows)), C.uint32_t(len(rows)),
		(*C.int32_t)(unsafe.SliceData(table)), C.uint32_t(stride), (*C.uint32_t)(unsafe.SliceData(stored))))
}

// Overflow is one row of CopyOverflow.
type Overflow struct {
	Row        TailRow
	Blocks     []int32 // of the sequence in the quantized store, from its first token on
	Length     uint32  // tokens of the sequence whose K/V exist in all layers
	KeepTokens uint32  // that are not moved: Unset: the tail's; 0: all whole blocks go
}

func overflows(pins *runtime.Pinner, rows []Overflow, made []C.go_overflow) {
	for i := range rows {
		made[i] = C.go_overflow{row: C.akv_tail_row(rows[i].Row), blocks: at(pin(pins, rows[i].Blocks)),
			num_blocks: C.uint32_t(len(rows[i].Blocks)), length: C.uint32_t(rows[i].Length),
			keep_tokens: C.uint32_t(rows[i].KeepTokens)}
	}
}

// CopyOverflow moves whole blocks out of the rings of rows into the quantized store. stored (as long, or nil): for each row
// the tokens that are there behind this work.
func (t *Tail) CopyOverflow(rows []Overflow, stored []uint32, stream *Stream) error {
	if stored != nil && len(stored) != len(rows) {
		return refuse(ErrInvalidArgument, "%d rows, room for %d lengths", len(rows), len(stored))
	}
	if err := fits(len(rows)); err != nil {
		return err
	}
	tail := t.enter()
	defer t.leave()
	order := stream.enter()
	defer stream.leave()
	var few [onStack]C.go_overflow
	made := few[:]
	if len(rows) > onStack {
		made = make([]C.go_overflow, len(rows))
	}
	var loan loan
	loan.begin(stream)
	overflows(&loan.pins, rows, made)
	loan.keep(t)
	err := check(C.go_copy_overflow(tail, &made[0], C.uint32_t(len(rows)),
		(*C.uint32_t)(unsafe.SliceData(stored)), order))
	return loan.end(err, false)
}

// CopyReadTiers reads all K/V of a sequence back, from both tiers, as numbers: [layer][plane][token][head][dim] of dtype.
func (t *Tail) CopyReadTiers(row Overflow, dtype DType, data []byte, stream *Stream) error {
	tail := t.enter()
	defer t.leave()
	order := stream.enter()
	defer stream.leave()
	var made [1]C.go_overflow
	var loan loan
	loan.begin(stream)
	overflows(&loan.pins, []Overflow{row}, made[:])
	loan.keep(t)
	target := lend(&loan, data)
	err := loan.err
	if err == nil {
		err = check(C.go_copy_read_tiers(tail, &made[0], C.uint32_t(dtype), (*C.uint8_t)(target),
			C.uint64_t(len(data)), order))
	}
	return loan.end(err, false)
}
