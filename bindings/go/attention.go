// attention.go: attention of new tokens over what stores hold. K/V are read where they lie; nothing is copied.
package arenakv

// #include "shim.h"
import "C"

import "runtime"

// MaxAttentionParts of an Attention.
const MaxAttentionParts = C.AKV_MAX_ATTENTION_PARTS

// AttentionPart is a stretch of every sequence's tokens, in the blocks of one store.
type AttentionPart struct {
	Store          *Store
	BlockTable     []int32  // [sequence][TableStride]
	TableStride    int64    // 0: one row, the same for all
	Lengths        []uint32 // [sequence]: its tokens here
	FirstPositions []uint32 // [sequence]: of its first token here; nil: behind the part before, or 0
	KeyScales      []float32
	ValueScales    []float32
}

// Attention is what is attended. Zero means default. On a stream with workers all arrays lie in buffers, and stay unchanged
// until the stream has passed the work.
type Attention struct {
	Flags        uint32
	Layer        uint32
	NumSequences uint32
	NumQueries   uint32 // of each sequence; 1
	QueryHeads   uint32
	DType        DType     // of Query and Out
	ValueDim     uint32    // of a latent plane: elements that are values
	Query        []byte    // [sequence][query][query head][dim of the keys]
	Out          []byte    // [sequence][query][query head][dim of the values]
	LogSums      []float32 // [sequence][query][query head], for Merge; or nil
	QueryStrides [3]int64  // bytes; all 0: packed
	OutStrides   [3]int64
	Scale        float32 // 1 / sqrt(dim of the keys)
	SoftCap      float32
	Window       uint32
	SinkTokens   uint32
	SinkLogits   []float32 // [query head]; or nil
	Positions    []uint32  // [sequence]: of its queries, for the window; nil: that of its last token
	Parts        []AttentionPart
}

// Decode attends.
func (a *Attention) Decode(stream *Stream) error {
	if len(a.Parts) == 0 || len(a.Parts) > MaxAttentionParts {
		return refuse(ErrInvalidArgument, "%d parts, must be 1 to %d", len(a.Parts), MaxAttentionParts)
	}
	if err := a.checkExtent(); err != nil {
		return err
	}
	order := stream.enter()
	defer stream.leave()
	var list storeList
	var stores [MaxAttentionParts]*Store
	for i := range a.Parts {
		stores[i] = a.Parts[i].Store
	}
	if err := list.of(stores[:len(a.Parts)]); err != nil {
		return err
	}
	var loan loan
	loan.begin(stream)
	list.keep(&loan)
	var parts [MaxAttentionParts]C.go_attention_part
	for i := range a.Parts {
		part := &a.Parts[i]
		parts[i] = C.go_attention_part{store: C.uintptr_t(part.Store.raw()), block_table: at(lend(&loan, part.BlockTable)),
			table_stride: C.int64_t(part.TableStride), lengths: at(lend(&loan, part.Lengths)),
			first_positions: at(lend(&loan, part.FirstPositions)),
			key_scales:      at(lend(&loan, part.KeyScales)), value_scales: at(lend(&loan, part.ValueScales))}
	}
	made := C.go_attention{flags: C.uint32_t(a.Flags), layer: C.uint32_t(a.Layer),
		num_sequences: C.uint32_t(a.NumSequences), num_queries: C.uint32_t(a.NumQueries),
		query_heads: C.uint32_t(a.QueryHeads), dtype: C.uint32_t(a.DType), value_dim: C.uint32_t(a.ValueDim),
		query: at(lend(&loan, a.Query)), out: at(lend(&loan, a.Out)), log_sums: at(lend(&loan, a.LogSums)),
		scale: C.float(a.Scale), soft_cap: C.float(a.SoftCap), window: C.uint32_t(a.Window),
		sink_tokens: C.uint32_t(a.SinkTokens), sink_logits: at(lend(&loan, a.SinkLogits)),
		positions: at(lend(&loan, a.Positions)), num_parts: C.uint32_t(len(a.Parts))}
	for i := range 3 {
		made.query_strides[i], made.out_strides[i] = C.int64_t(a.QueryStrides[i]), C.int64_t(a.OutStrides[i])
	}
	err := loan.err
	if err == nil {
		err = check(C.go_attention_decode(&made, &parts[0], order))
	}
	runtime.KeepAlive(a.Parts)
	return loan.end(err, false)
}

// MergeAttention makes results of the same queries over two halves of the tokens, each with its log sums, into that over all
// of them: numRows packed rows of dim elements of dtype. out and outLogSums may be either of the inputs; outLogSums may be nil.
func MergeAttention(a []byte, aLogSums []float32, b []byte, bLogSums []float32, out []byte, outLogSums []float32,
	dim uint32, dtype DType, stream *Stream) error {
	rows := len(aLogSums)
	bytes := uint64(rows) * uint64(dim) * dtype.bytes()
	if len(bLogSums) != rows || outLogSums != nil && len(outLogSums) != rows || uint64(len(a)) < bytes ||
		uint64(len(b)) < bytes || uint64(len(out)) < bytes {
		return refuse(ErrInvalidArgument, "%d rows of %d elements are %d bytes in a, b and out, and %d log sums each", rows, dim, bytes, rows)
	}
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	first, firstSums := lend(&loan, a), lend(&loan, aLogSums)
	second, secondSums := lend(&loan, b), lend(&loan, bLogSums)
	target, targetSums := lend(&loan, out), lend(&loan, outLogSums)
	err := loan.err
	if err == nil {
		err = check(C.go_attention_merge((*C.uint8_t)(first), (*C.float)(firstSums), (*C.uint8_t)(second), (*C.float)(secondSums),
			(*C.uint8_t)(target),
			(*C.float)(targetSums), C.uint64_t(rows), C.uint32_t(dim), C.uint32_t(dtype), order))
	}
	return loan.end(err, false)
}

// wanted checks that a slice is nil or has so many elements.
func wanted[T any](what string, elements []T, count uint64, must bool) error {
	if elements == nil && !must || uint64(len(elements)) >= count {
		return nil
	}
	return refuse(ErrOutOfRange, "%s has %d elements, %d are read or written", what, len(elements), count)
}

// rowsReach is how far [sequence][query][query head] rows lead.
func (a *Attention) rowsReach(strides [3]int64, rowBytes uint64) reach {
	sequences, queries, heads := uint64(a.NumSequences), max(uint64(a.NumQueries), 1), uint64(a.QueryHeads)
	var way reach
	if sequences == 0 || heads == 0 {
		return way
	}
	if strides == [3]int64{} {
		way.steps(sequences, int64(queries*heads*rowBytes))
		way.steps(queries, int64(heads*rowBytes))
		way.steps(heads, int64(rowBytes))
	} else {
		way.steps(sequences, strides[0])
		way.steps(queries, strides[1])
		way.steps(heads, strides[2])
	}
	way.add(rowBytes)
	return way
}

// checkExtent: all arrays reach as far as the work does. What else may be wrong the library says itself.
func (a *Attention) checkExtent() error {
	sequences, heads := uint64(a.NumSequences), uint64(a.QueryHeads)
	rows := sequences * max(uint64(a.NumQueries), 1)
	if rows >= 1<<32 || rows*heads >= 1<<32 {
		return refuse(ErrOutOfRange, "%d sequences of %d queries of %d heads", sequences, a.NumQueries, heads)
	}
	if err := wanted("LogSums", a.LogSums, rows*heads, false); err != nil {
		return err
	}
	if err := wanted("SinkLogits", a.SinkLogits, heads, false); err != nil {
		return err
	}
	if err := wanted("Positions", a.Positions, sequences, false); err != nil {
		return err
	}
	for i := range a.Parts {
		if err := a.checkPart(i); err != nil {
			return err
		}
	}
	return nil
}

func (a *Attention) checkPart(index int) error {
	part, sequences := &a.Parts[index], uint64(a.NumSequences)
	if part.Store == nil {
		return nil
	}
	keyDim, valueDim, kvHeads := part.Store.shape.dims(uint64(a.ValueDim))
	query, out := a.rowsReach(a.QueryStrides, keyDim*a.DType.bytes()), a.rowsReach(a.OutStrides, valueDim*a.DType.bytes())
	if err := query.within("query of part", index, len(a.Query)); err != nil {
		return err
	}
	if err := out.within("out of part", index, len(a.Out)); err != nil {
		return err
	}
	if err := wanted("Lengths", part.Lengths, sequences, true); err != nil {
		return err
	}
	if err := wanted("FirstPositions", part.FirstPositions, sequences, false); err != nil {
		return err
	}
	if err := wanted("KeyScales", part.KeyScales, kvHeads, false); err != nil {
		return err
	}
	if err := wanted("ValueScales", part.ValueScales, kvHeads, false); err != nil {
		return err
	}
	for i := uint64(0); i < sequences; i++ {
		blocks := (uint64(part.Lengths[i]) + part.Store.shape.blockTokens - 1) / max(part.Store.shape.blockTokens, 1)
		if blocks == 0 {
			continue
		}
		var way reach
		way.steps(i+1, part.TableStride)
		way.add(blocks)
		if err := way.within("BlockTable of sequence", int(i), len(part.BlockTable)); err != nil {
			return err
		}
	}
	return nil
}

// dims of the rows of queries and results over this store.
func (s *storeShape) dims(valueDim uint64) (keys, values, heads uint64) {
	for i := range s.planes {
		plane := &s.planes[i]
		heads = max(heads, plane.heads)
		switch plane.role {
		case PlaneKeys:
			keys = plane.headElements
		case PlaneValues:
			values = plane.headElements
		case PlaneLatent:
			keys, values = plane.headElements, valueDim
		}
	}
	return keys, values, heads
}
