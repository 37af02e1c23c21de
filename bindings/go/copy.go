// copy.go: the calls that move K/V between stores and memory of yours, on a stream, all of them counted. Ids, slots and
// records are copied by the call; data is used until the work is done (loan.go).
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// TokenData is K/V of tokens of one plane in your memory. With DType 0 elements move as they are, and scales with them;
// else Data are numbers, which become what the plane keeps, or come out of it.
type TokenData struct {
	Data        []byte
	TokenStride int64 // bytes; 0: packed
	HeadStride  int64
	Scales      []byte
	ScaleStride int64
	Plane       uint32 // its index in Group.Planes
	DType       DType
}

// The most planes and spans of a call that it takes without allocating.
const onStack = maxPlanes

func tokenData(l *loan, planes []TokenData, made []C.go_token_data) {
	for i := range planes {
		plane := &planes[i]
		made[i] = C.go_token_data{data: at(lend(l, plane.Data)), token_stride: C.int64_t(plane.TokenStride),
			head_stride: C.int64_t(plane.HeadStride), scales: at(lend(l, plane.Scales)),
			scale_stride: C.int64_t(plane.ScaleStride), plane: C.uint32_t(plane.Plane), dtype: C.uint32_t(plane.DType)}
	}
}

// tokenCall is what CopyWriteTokens and CopyReadTokens share.
func (s *Store) tokenCall(layer uint32, slots []int64, planes []TokenData, stream *Stream, write bool) error {
	if err := fits(len(slots)); err != nil {
		return err
	}
	if len(planes) > onStack {
		return refuse(ErrInvalidArgument, "%d planes, at most %d", len(planes), onStack)
	}
	if err := s.checkTokenData(uint64(len(slots)), planes); err != nil {
		return err
	}
	store := s.enter()
	defer s.leave()
	order := stream.enter()
	defer stream.leave()
	var made [onStack]C.go_token_data
	var loan loan
	loan.begin(stream)
	loan.keep(s)
	tokenData(&loan, planes, made[:])
	err := loan.err
	if err == nil && write {
		err = check(C.go_copy_write_tokens(store, C.uint32_t(layer), (*C.int64_t)(unsafe.SliceData(slots)),
			C.uint32_t(len(slots)), &made[0], C.uint32_t(len(planes)), order))
	} else if err == nil {
		err = check(C.go_copy_read_tokens(store, C.uint32_t(layer), (*C.int64_t)(unsafe.SliceData(slots)),
			C.uint32_t(len(slots)), &made[0], C.uint32_t(len(planes)), order))
	}
	return loan.end(err, false)
}

// CopyWriteTokens writes the K/V of tokens of one layer to their slots. A negative slot is skipped.
func (s *Store) CopyWriteTokens(layer uint32, slots []int64, planes []TokenData, stream *Stream) error {
	return s.tokenCall(layer, slots, planes, stream, true)
}

// CopyReadTokens reads tokens of one layer out of their slots. What a negative slot would fill stays as it is.
func (s *Store) CopyReadTokens(layer uint32, slots []int64, planes []TokenData, stream *Stream) error {
	return s.tokenCall(layer, slots, planes, stream, false)
}

// Span is a stretch of one sequence, and the packed memory that it is gathered into or scattered from:
// [layer][plane][token][head][dim].
type Span struct {
	Blocks     []int32 // in order of position
	FirstToken uint32  // counted from the start of Blocks[0]
	NumTokens  uint32
	FirstLayer uint32
	NumLayers  uint32 // 0: from FirstLayer on, all that are stored
	DType      DType  // of Data: 0: as the planes'
	Data       []byte
	HeadScales []float32 // of planes with ScalingHead: [layer][plane][head]; nil: all are 1
}

func (s *Store) spanCall(spans []Span, stream *Stream, scatter bool) error {
	if err := fits(len(spans)); err != nil {
		return err
	}
	if err := s.checkSpans(spans); err != nil {
		return err
	}
	store := s.enter()
	defer s.leave()
	order := stream.enter()
	defer stream.leave()
	var few [onStack]C.go_span
	made := few[:]
	if len(spans) > onStack {
		made = make([]C.go_span, len(spans))
	}
	var loan loan
	loan.begin(stream)
	loan.keep(s)
	for i := range spans {
		span := &spans[i]
		made[i] = C.go_span{blocks: at(pin(&loan.pins, span.Blocks)), num_blocks: C.uint32_t(len(span.Blocks)),
			first_token: C.uint32_t(span.FirstToken), num_tokens: C.uint32_t(span.NumTokens),
			first_layer: C.uint32_t(span.FirstLayer), num_layers: C.uint32_t(span.NumLayers),
			dtype: C.uint32_t(span.DType), data: at(lend(&loan, span.Data)), bytes: C.uint64_t(len(span.Data)),
			head_scales: at(lend(&loan, span.HeadScales))}
	}
	err := loan.err
	if err == nil && scatter {
		err = check(C.go_copy_scatter(store, &made[0], C.uint32_t(len(spans)), order))
	} else if err == nil {
		err = check(C.go_copy_gather(store, &made[0], C.uint32_t(len(spans)), order))
	}
	return loan.end(err, false)
}

// CopyGather gathers spans of sequences, each into its packed memory.
func (s *Store) CopyGather(spans []Span, stream *Stream) error {
	return s.spanCall(spans, stream, false)
}

// CopyScatter scatters packed memory into spans of sequences.
func (s *Store) CopyScatter(spans []Span, stream *Stream) error {
	return s.spanCall(spans, stream, true)
}

// CopyZero zeroes whole blocks, in all layers and planes.
func (s *Store) CopyZero(blocks []int32, stream *Stream) error {
	if err := fits(len(blocks)); err != nil {
		return err
	}
	store := s.enter()
	defer s.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(s)
	err := check(C.akv_copy_zero(store, (*C.int32_t)(unsafe.SliceData(blocks)), C.uint32_t(len(blocks)), order))
	return loan.end(err, false)
}

// BlocksVerify: compare each copy with its source when it is complete.
const BlocksVerify uint32 = C.AKV_BLOCKS_VERIFY

// CopyBlocks copies whole blocks to another store, or inside this one: fromBlocks[i] to toBlocks[i].
func (s *Store) CopyBlocks(fromBlocks []int32, to *Store, toBlocks []int32, flags uint32, stream *Stream) error {
	if len(fromBlocks) != len(toBlocks) {
		return refuse(ErrInvalidArgument, "%d blocks to %d blocks", len(fromBlocks), len(toBlocks))
	}
	if err := fits(len(fromBlocks)); err != nil {
		return err
	}
	from := s.enter()
	defer s.leave()
	target := to.enter()
	defer to.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(s)
	loan.keep(to)
	err := check(C.akv_copy_blocks(from, (*C.int32_t)(unsafe.SliceData(fromBlocks)), target,
		(*C.int32_t)(unsafe.SliceData(toBlocks)), C.uint32_t(len(fromBlocks)), C.uint32_t(flags), order))
	return loan.end(err, false)
}

// CopyConverted is CopyBlocks where the two stores keep their K/V as something else. The scales are of planes with
// ScalingHead: [stored layer][plane][head]; nil: all are 1.
func (s *Store) CopyConverted(fromBlocks []int32, fromScales []float32, to *Store, toBlocks []int32, toScales []float32,
	stream *Stream) error {
	if len(fromBlocks) != len(toBlocks) {
		return refuse(ErrInvalidArgument, "%d blocks to %d blocks", len(fromBlocks), len(toBlocks))
	}
	if err := fits(len(fromBlocks)); err != nil {
		return err
	}
	if err := s.checkHeadScales(fromScales); err != nil {
		return err
	}
	if err := to.checkHeadScales(toScales); err != nil {
		return err
	}
	from := s.enter()
	defer s.leave()
	target := to.enter()
	defer to.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(s)
	loan.keep(to)
	sourceScales, targetScales := lend(&loan, fromScales), lend(&loan, toScales)
	err := loan.err
	if err == nil {
		err = check(C.akv_copy_converted(from, (*C.int32_t)(unsafe.SliceData(fromBlocks)), (*C.float)(sourceScales), target,
			(*C.int32_t)(unsafe.SliceData(toBlocks)), (*C.float)(targetScales), C.uint32_t(len(fromBlocks)), order))
	}
	return loan.end(err, false)
}

// Flags of CopyRun.
const (
	RunOrdered uint32 = C.AKV_RUN_ORDERED // you vouch that what the records wait for comes before this on the stream
	RunVerify  uint32 = C.AKV_RUN_VERIFY  // compare each copy with its source
	RunFinish  uint32 = C.AKV_RUN_FINISH  // finish the plan when its records have run
)

// CopyRun runs the plan's records on the stores of its cache: pass all shards.
func (p Plan) CopyRun(stores []*Store, flags uint32, stream *Stream) error {
	cache := p.cache.enter()
	defer p.cache.leave()
	order := stream.enter()
	defer stream.leave()
	var list storeList
	if err := list.of(stores); err != nil {
		return err
	}
	var loan loan
	loan.begin(stream)
	loan.keep(p.cache)
	list.keep(&loan)
	err := check(C.akv_copy_run(cache, C.akv_plan(p.ID), &list.handles[0], list.count, C.uint32_t(flags), order))
	return loan.end(err, false)
}

// CopyRecords runs records that came from elsewhere: the process that has the bytes needs no cache.
func CopyRecords(records []PlanRecord, stores []*Store, flags uint32, stream *Stream) error {
	if err := fits(len(records)); err != nil {
		return err
	}
	order := stream.enter()
	defer stream.leave()
	var list storeList
	if err := list.of(stores); err != nil {
		return err
	}
	var loan loan
	loan.begin(stream)
	list.keep(&loan)
	err := check(C.akv_copy_records((*C.akv_plan_record)(unsafe.Pointer(unsafe.SliceData(records))),
		C.uint32_t(len(records)), &list.handles[0], list.count, C.uint32_t(flags), order))
	return loan.end(err, false)
}

// Moved is a kind of movement.
type Moved uint32

// The kinds of arenakv/copy.h.
const (
	MovedWrite       Moved = C.AKV_MOVED_WRITE
	MovedRead        Moved = C.AKV_MOVED_READ
	MovedGather      Moved = C.AKV_MOVED_GATHER
	MovedScatter     Moved = C.AKV_MOVED_SCATTER
	MovedZero        Moved = C.AKV_MOVED_ZERO
	MovedBlocks      Moved = C.AKV_MOVED_BLOCKS
	MovedCopyOnWrite Moved = C.AKV_MOVED_COPY_ON_WRITE
	MovedPartial     Moved = C.AKV_MOVED_PARTIAL
	MovedOut         Moved = C.AKV_MOVED_OUT
	MovedIn          Moved = C.AKV_MOVED_IN
	MovedSave        Moved = C.AKV_MOVED_SAVE
	MovedLoad        Moved = C.AKV_MOVED_LOAD
	MovedToTensor    Moved = C.AKV_MOVED_TO_TENSOR
	MovedFromTensor  Moved = C.AKV_MOVED_FROM_TENSOR
	MovedTensor      Moved = C.AKV_MOVED_TENSOR
	MovedConverted   Moved = C.AKV_MOVED_CONVERTED
)

// CopyStats is what was moved, of one kind and direction.
type CopyStats struct {
	Kind          Moved
	FromDevice    uint32
	ToDevice      uint32
	_             uint32
	Calls         uint64
	Items         uint64
	Bytes         uint64
	VerifiedBytes uint64
}

// ReadStats fills lines with what was moved in the store, and tells how many there are.
func (s *Store) ReadStats(lines []CopyStats) (int, error) {
	if err := fits(len(lines)); err != nil {
		return 0, err
	}
	store := s.enter()
	defer s.leave()
	var count C.uint32_t
	err := check(C.akv_store_read_stats(store, (*C.akv_copy_stats)(unsafe.Pointer(unsafe.SliceData(lines))),
		C.uint32_t(unsafe.Sizeof(CopyStats{})), C.uint32_t(len(lines)), &count))
	return int(count), err
}

// Stats is what was moved in the store, in a slice of its own.
func (s *Store) Stats() ([]CopyStats, error) { return readAll(s.ReadStats) }
