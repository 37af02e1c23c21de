// state.go: one read-out of everything a cache knows about itself, the audit, and the state as text for people.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// BlockState says where a block is.
type BlockState uint8

// The states of arenakv/state.h.
const (
	BlockFree        BlockState = C.AKV_BLOCK_FREE
	BlockDirty       BlockState = C.AKV_BLOCK_DIRTY
	BlockReserved    BlockState = C.AKV_BLOCK_RESERVED
	BlockLive        BlockState = C.AKV_BLOCK_LIVE
	BlockPinned      BlockState = C.AKV_BLOCK_PINNED
	BlockCached      BlockState = C.AKV_BLOCK_CACHED
	BlockQuarantined BlockState = C.AKV_BLOCK_QUARANTINED
	BlockNull        BlockState = C.AKV_BLOCK_NULL
)

// State is a cheap read-out: gauges in blocks, things, counters since the cache was made, memory of the metadata.
type State struct {
	structSize  uint32
	BlockTokens uint32

	NumBlocks         uint32
	FreeBlocks        uint32
	DirtyBlocks       uint32
	ReservedBlocks    uint32
	LiveBlocks        uint32
	PinnedBlocks      uint32
	CachedBlocks      uint32
	QuarantinedBlocks uint32

	EvictableBlocks uint32
	DuplicateBlocks uint32
	PeakLiveBlocks  uint32

	Sequences        uint32
	MaxSequences     uint32
	LostSequences    uint32
	Runs             uint32
	Pins             uint32
	Leases           uint32
	Plans            uint32
	OpenTickets      uint32
	SwappedSequences uint32
	OldestOpen       Ticket
	Newest           Ticket
	BytesPerBlock    uint64
	SequenceTokens   uint64
	CachedTokens     uint64

	CreatedSequences uint64
	FreedSequences   uint64
	PromptTokens     uint64
	HitTokens        uint64
	PartialTokens    uint64
	PublishedBlocks  uint64
	EvictedBlocks    uint64
	CopyOnWrites     uint64
	RefusedNoBlocks  uint64
	Refills          uint64

	MetadataReservedBytes uint64
	MetadataUsedBytes     uint64

	NumSwapBlocks         uint32
	FreeSwapBlocks        uint32
	QuarantinedSwapBlocks uint32
	AcquiredSwapBlocks    uint32
	SwappedTokens         uint64
	SwappedOut            uint64
	SwappedIn             uint64
}

// State reads the state.
func (c *Cache) State() (State, error) {
	state := State{structSize: uint32(unsafe.Sizeof(State{}))}
	cache := c.enter()
	defer c.leave()
	err := check(C.akv_cache_read_state(cache, (*C.akv_cache_state)(unsafe.Pointer(&state))))
	return state, err
}

// Advice says what to do about fragmentation.
type Advice uint32

// The advices of arenakv/state.h.
const (
	AdviceNone  Advice = C.AKV_ADVICE_NONE
	AdviceWatch Advice = C.AKV_ADVICE_WATCH
	AdviceAct   Advice = C.AKV_ADVICE_ACT
)

// Measures is an exact read-out that looks at every block.
type Measures struct {
	structSize     uint32
	LargestFreeRun uint32
	Fragmentation  float32
	Advice         Advice
	Waste          float32
	_              uint32
	LiveTokens     uint64
}

// Measure looks at every block.
func (c *Cache) Measure() (Measures, error) {
	measures := Measures{structSize: uint32(unsafe.Sizeof(Measures{}))}
	cache := c.enter()
	defer c.leave()
	err := check(C.akv_cache_measure(cache, (*C.akv_measures)(unsafe.Pointer(&measures))))
	return measures, err
}

// Flags of SequenceLine.
const (
	LinePlanOpen    uint32 = C.AKV_LINE_PLAN_OPEN
	LineContentLost uint32 = C.AKV_LINE_CONTENT_LOST
	LineSwapped     uint32 = C.AKV_LINE_SWAPPED
)

// SequenceLine is one live sequence.
type SequenceLine struct {
	Sequence       SequenceID
	RequestID      uint64
	Owner          uint64
	Domain         uint64
	Length         uint32
	Known          uint32
	Committed      uint32
	NumBlocks      uint32
	ReservedBlocks uint32
	Flags          uint32 // Line...
}

// ReadSequences fills lines with one for each live sequence, and tells how many there are, also with ErrBufferTooSmall.
func (c *Cache) ReadSequences(lines []SequenceLine) (int, error) {
	if err := fits(len(lines)); err != nil {
		return 0, err
	}
	cache := c.enter()
	defer c.leave()
	var count C.uint32_t
	err := check(C.akv_cache_read_sequences(cache, (*C.akv_sequence_line)(unsafe.Pointer(unsafe.SliceData(lines))),
		C.uint32_t(unsafe.Sizeof(SequenceLine{})), C.uint32_t(len(lines)), &count))
	return int(count), err
}

// Sequences is a line for each live sequence, in a slice of its own.
func (c *Cache) Sequences() ([]SequenceLine, error) { return readAll(c.ReadSequences) }

// HoldKind is what holds blocks.
type HoldKind uint32

// The kinds of arenakv/state.h.
const (
	HoldPin   HoldKind = C.AKV_HOLD_PIN
	HoldLease HoldKind = C.AKV_HOLD_LEASE
	HoldPlan  HoldKind = C.AKV_HOLD_PLAN
)

// HoldLine is one pin, lease or open plan: who keeps blocks, and since when.
type HoldLine struct {
	Handle uint64
	Owner  uint64
	Since  Ticket
	Kind   HoldKind
	Blocks uint32
}

// ReadHolds fills lines with one for each pin, lease and open plan, and tells how many there are.
func (c *Cache) ReadHolds(lines []HoldLine) (int, error) {
	if err := fits(len(lines)); err != nil {
		return 0, err
	}
	cache := c.enter()
	defer c.leave()
	var count C.uint32_t
	err := check(C.akv_cache_read_holds(cache, (*C.akv_hold_line)(unsafe.Pointer(unsafe.SliceData(lines))),
		C.uint32_t(unsafe.Sizeof(HoldLine{})), C.uint32_t(len(lines)), &count))
	return int(count), err
}

// Holds is a line for each pin, lease and open plan, in a slice of its own.
func (c *Cache) Holds() ([]HoldLine, error) { return readAll(c.ReadHolds) }

// ReadBlockMap fills in the state of blocks 0 .. NumBlocks: room for NumBlocks + 1 is needed.
func (c *Cache) ReadBlockMap(blocks []BlockState) error {
	if err := fits(len(blocks)); err != nil {
		return err
	}
	cache := c.enter()
	defer c.leave()
	return check(C.akv_cache_read_block_map(cache, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(blocks))),
		C.uint32_t(len(blocks))))
}

// Audit checks that the counts balance: cheap enough for after every step.
func (c *Cache) Audit() error {
	cache := c.enter()
	defer c.leave()
	return check(C.akv_cache_audit(cache))
}

// AuditAll counts every block again where it is.
func (c *Cache) AuditAll() error {
	cache := c.enter()
	defer c.leave()
	return check(C.akv_cache_audit_all(cache))
}

// readText reads text of unknown length.
func readText(read func(buffer *C.char, capacity C.uint64_t, length *C.uint64_t) C.akv_status) (string, error) {
	text, err := readAll(func(buffer []byte) (int, error) {
		var length C.uint64_t
		err := check(read((*C.char)(unsafe.Pointer(unsafe.SliceData(buffer))), C.uint64_t(len(buffer)), &length))
		if err != nil {
			return int(length) + 1, err // and a terminator
		}
		return int(length), nil
	})
	return string(text), err
}

// Dump is configuration, state and one line per sequence as text.
func (c *Cache) Dump() (string, error) {
	cache := c.enter()
	defer c.leave()
	return readText(func(buffer *C.char, capacity C.uint64_t, length *C.uint64_t) C.akv_status {
		return C.akv_report_dump(cache, buffer, capacity, length)
	})
}

// BlockMap is a map of all blocks, columns characters a line (0: 64), with a legend.
func (c *Cache) BlockMap(columns uint32) (string, error) {
	cache := c.enter()
	defer c.leave()
	return readText(func(buffer *C.char, capacity C.uint64_t, length *C.uint64_t) C.akv_status {
		return C.akv_report_block_map(cache, C.uint32_t(columns), buffer, capacity, length)
	})
}
