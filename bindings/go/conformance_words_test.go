// conformance_words_test.go: what the words of `do` in a story call. It knows nothing of comparing.
package arenakv

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// enumerators are the words of results, in lower case without their prefix, by value.
var enumerators = map[reflect.Type][]string{
	reflect.TypeFor[SequenceState](): {"active", "swapping_out", "swapped", "swapping_in"},
	reflect.TypeFor[Miss]():          {"none", "never_stored", "other_domain", "not_committed", "in_flight", "last_token"},
	reflect.TypeFor[PlanKind]():      {"", "copy_on_write", "partial", "zero", "swap_out", "swap_in"},
	reflect.TypeFor[TicketState]():   {"", "open", "ended", "passed", "abandoned"},
	reflect.TypeFor[Content]():       {"zero", "own", "foreign"},
	reflect.TypeFor[Moved](): {"", "write", "read", "gather", "scatter", "zero", "blocks", "copy_on_write", "partial", "out",
		"in", "save", "load", "to_tensor", "from_tensor", "tensor", "converted"},
}

// enumeratorOf is the word for a value.
func enumeratorOf(value any) string {
	of := reflect.ValueOf(value)
	names, number := enumerators[of.Type()], of.Convert(reflect.TypeFor[int]()).Int()
	if number < 0 || number >= int64(len(names)) {
		return ""
	}
	return names[number]
}

var sequenceFlags = map[string]uint32{"committed": SequenceCommitted, "partial": SequencePartial,
	"prefix_only": SequencePrefixOnly, "no_match": SequenceNoMatch, "contiguous": SequenceContiguous,
	"no_publish": SequenceNoPublish}

type poolTicket struct {
	pool   *PagePool
	ticket Ticket
}

type word = func(s *story, step *step) (results, error)

var words map[string]word

func init() {
	words = map[string]word{"open": openCache, "close": closeThing, "create": create, "can_allocate": canAllocate,
		"step":    func(s *story, step *step) (results, error) { return tables(s, step, true) },
		"tables":  func(s *story, step *step) (results, error) { return tables(s, step, false) },
		"write":   func(s *story, step *step) (results, error) { return results{}, keyValues(s, step, moveSlots, true) },
		"read":    func(s *story, step *step) (results, error) { return results{}, keyValues(s, step, moveSlots, false) },
		"scatter": func(s *story, step *step) (results, error) { return results{}, keyValues(s, step, moveSpan, true) },
		"gather":  func(s *story, step *step) (results, error) { return results{}, keyValues(s, step, moveSpan, false) }}
	for _, more := range []map[string]word{sequenceWords, prefixWords, holdWords, storeWords, poolWords} {
		for name, word := range more {
			words[name] = word
		}
	}
}

// values are results by name.
func values(err error, pairs ...any) (results, error) {
	list := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		list[pairs[i].(string)] = pairs[i+1]
	}
	return results{list: list}, err
}

func openCache(s *story, step *step) (results, error) {
	config := get(step, "cache", struct {
		NumBlocks            uint32 `json:"num_blocks"`
		BlockTokens          uint32 `json:"block_tokens"`
		MaxSequences         uint32 `json:"max_sequences"`
		MaxTokensPerSequence uint32 `json:"max_tokens_per_sequence"`
		MaxOpenTickets       uint32 `json:"max_open_tickets"`
		MaxPlans             uint32 `json:"max_plans"`
		MaxHolds             uint32 `json:"max_holds"`
		MaxPinnedBlocks      uint32 `json:"max_pinned_blocks"`
		MagazineBlocks       uint32 `json:"magazine_blocks"`
		NumSwapBlocks        uint32 `json:"num_swap_blocks"`
		BlockAllocator       string `json:"block_allocator"`
		Scrub                string
		Geometry             *struct {
			Layers  uint32
			KVHeads uint32 `json:"kv_heads"`
			HeadDim uint32 `json:"head_dim"`
			DType   string
		}
	}{})
	made := Config{NumBlocks: config.NumBlocks, BlockTokens: config.BlockTokens, MaxSequences: config.MaxSequences,
		MaxTokensPerSequence: config.MaxTokensPerSequence, MaxOpenTickets: config.MaxOpenTickets, MaxPlans: config.MaxPlans,
		MaxHolds: config.MaxHolds, MaxPinnedBlocks: config.MaxPinnedBlocks, MagazineBlocks: config.MagazineBlocks,
		NumSwapBlocks:  config.NumSwapBlocks,
		BlockAllocator: map[string]BlockAllocator{"buddy": BlockAllocatorBuddy}[config.BlockAllocator],
		Scrub:          map[string]Scrub{"none": ScrubNone, "always": ScrubAlways}[config.Scrub]}
	if of := config.Geometry; of != nil {
		plane := Plane{Role: PlaneKeys, DType: map[string]DType{"f32": DTypeF32, "f16": DTypeF16}[of.DType], KVHeads: of.KVHeads, HeadDim: of.HeadDim}
		values := plane
		values.Role = PlaneValues
		made.Groups = []Group{{Rule: RuleFull, NumLayers: of.Layers, Planes: []Plane{plane, values}}}
	}
	cache, err := Open(&made)
	if err == nil {
		s.make(get(step, "as", ""), cache)
	}
	return results{}, err
}

func closeThing(s *story, step *step) (results, error) {
	return results{}, thing[interface{ Close() error }](s, get(step, "on", "")).Close()
}

func prompt(step *step) Prompt {
	return Prompt{Tokens: step.tokens("tokens"), Domain: get(step, "domain", uint64(0))}
}

func options(step *step) *SequenceOptions {
	return &SequenceOptions{Flags: step.flags(sequenceFlags), RequestID: get(step, "request_id", uint64(0)),
		Owner: get(step, "owner", uint64(0)), ReserveTokens: step.number("reserve_tokens"), MaxTokens: step.number("max_tokens")}
}

func create(s *story, step *step) (results, error) {
	created, err := s.cache(step).Create(prompt(step), options(step))
	if err == nil {
		s.make(get(step, "as", ""), created.Sequence)
	} else {
		step.has("as")
	}
	return results{of: created, plan: created.Plan}, err
}

func canAllocate(s *story, step *step) (results, error) {
	room, err := s.cache(step).CanAllocate(prompt(step), options(step))
	return results{of: room}, err
}

// tables is `step`, which grows, and `tables`, which does not.
func tables(s *story, step *step, grow bool) (results, error) {
	batch := Batch{NumTokens: get(step, "num_tokens", []uint32(nil)), First: get(step, "first", []uint32(nil)), Tokens: step.tokens("tokens")}
	for _, name := range step.names("on") {
		batch.Sequences = append(batch.Sequences, SequenceID(s.id(name)))
	}
	if grow {
		batch.Flags = step.flags(map[string]uint32{"committed": AppendCommitted})
	}
	tokens, rows, width := len(batch.Sequences), len(batch.Sequences), int(get(step, "row_width", uint32(8)))
	if batch.NumTokens != nil {
		tokens = 0
		for _, number := range batch.NumTokens {
			tokens += int(number)
		}
	}
	arrays := Tables{SlotMapping: make([]int64, tokens), Positions: make([]int64, tokens), QueryStartLoc: make([]int32, rows+1),
		KVIndptr: make([]int32, rows+1), KVIndices: make([]int32, rows*64), KVLastPageLen: make([]int32, rows),
		BlockTable: make([]int32, rows*width), RowStates: make([]RowState, rows), FirstPositions: make([]int32, rows),
		SeqLens: make([]int32, rows), RowWidth: uint32(width)}
	cache, plan, err := s.cache(step), Plan{}, error(nil)
	if grow {
		plan, err = cache.AppendBatch(&batch, &arrays)
	} else {
		err = cache.ReadTables(&batch, &arrays)
	}
	table := make([][]int32, rows)
	for i := range table {
		table[i] = arrays.BlockTable[i*width : (i+1)*width]
	}
	answer, err := values(err, "block_table", table, "kv_indices", arrays.KVIndices[:arrays.KVIndptr[rows]])
	answer.of, answer.plan = arrays, plan
	return answer, err
}

// stretch is tokens of a sequence in a store, and the K/V that they have or are to have.
type stretch struct {
	sequence     Sequence
	store        *Store
	first, count uint32
	blocks       []int32
	slots        []int64
	group        Group
}

// data of a layer and plane, token by token.
func (s stretch) data(seed, layer, plane int) []float32 {
	width := int(s.group.Planes[plane].KVHeads * s.group.Planes[plane].HeadDim)
	data := make([]float32, int(s.count)*width)
	for i := range data {
		if seed != 0 {
			data[i] = float32(seed*4096+layer*1024+plane*512+int(s.first)+i/width) + float32(i%width)/64
		}
	}
	return data
}

func keyValues(s *story, step *step, move func(of stretch, seed int, write bool) error, write bool) (err error) {
	of := stretch{sequence: s.sequence(step), store: thing[*Store](s, get(step, "store", "")), first: step.number("first"), count: step.number("count")}
	seed, cache := get(step, "seed", 0), s.cache(step)
	if of.blocks, err = of.sequence.Blocks(); err != nil {
		return err
	}
	if of.group, err = cache.Group(0); err != nil {
		return err
	}
	config, err := cache.Config()
	if err != nil {
		return err
	}
	of.slots = make([]int64, of.count)
	for i := range of.slots {
		position := of.first + uint32(i)
		of.slots[i] = int64(of.blocks[position/config.BlockTokens])*int64(config.BlockTokens) + int64(position%config.BlockTokens)
	}
	if write {
		batch := Batch{Sequences: []SequenceID{of.sequence.ID}, First: []uint32{of.first}, NumTokens: []uint32{of.count}}
		if err := cache.ReadTables(&batch, &Tables{SlotMapping: of.slots}); err != nil {
			return err
		}
	}
	return move(of, seed, write)
}

func compare(got, wanted []float32, where string) error {
	for i := range wanted {
		if got[i] != wanted[i] {
			return fmt.Errorf("%s: element %d is %v, expected %v", where, i, got[i], wanted[i])
		}
	}
	return nil
}

func moveSlots(of stretch, seed int, write bool) error {
	for layer := range int(of.group.NumLayers) {
		var planes []TokenData
		var kept [][]float32
		for plane := range of.group.Planes {
			data := of.data(seed, layer, plane)
			if !write {
				data = make([]float32, len(data))
			}
			kept = append(kept, data)
			planes = append(planes, TokenData{Plane: uint32(plane), Data: BytesOf(data)})
		}
		if write {
			if err := of.store.CopyWriteTokens(uint32(layer), of.slots, planes, nil); err != nil {
				return err
			}
			continue
		}
		if err := of.store.CopyReadTokens(uint32(layer), of.slots, planes, nil); err != nil {
			return err
		}
		for plane := range kept {
			if err := compare(kept[plane], of.data(seed, layer, plane), fmt.Sprintf("layer %d, plane %d", layer, plane)); err != nil {
				return err
			}
		}
	}
	return nil
}

func moveSpan(of stretch, seed int, write bool) error {
	var wanted []float32
	for layer := range int(of.group.NumLayers) {
		for plane := range of.group.Planes {
			wanted = append(wanted, of.data(seed, layer, plane)...)
		}
	}
	packed := make([]float32, len(wanted))
	span := Span{Blocks: of.blocks, FirstToken: of.first, NumTokens: of.count, Data: BytesOf(packed)}
	if write {
		copy(packed, wanted)
		return of.store.CopyScatter([]Span{span}, nil)
	}
	if err := of.store.CopyGather([]Span{span}, nil); err != nil {
		return err
	}
	return compare(packed, wanted, "the span")
}

func waitForStream(s *story, step *step) (results, error) {
	context, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return results{}, thing[*Stream](s, get(step, "on", "")).Wait(context, PointAll)
}
