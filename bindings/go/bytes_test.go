// bytes_test.go: what K/V go through besides copies: images, attention, two tiers of precision, page pools, trackers.
package arenakv

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// filled is a sequence of so many tokens with K/V in the store, committed.
func filled(t *testing.T, cache *Cache, store *Store, count int) (Sequence, []int32) {
	created := must(cache.Create(Prompt{Tokens: tokens(1, count)}, nil))
	blocks := must(created.Sequence.Blocks())
	for layer := range uint32(testLayers) {
		keys, values := counted(float32(layer), count*tokenNumbers), counted(-float32(layer), count*tokenNumbers)
		ok(t, store.CopyWriteTokens(layer, slotsOf(blocks, count), layerData(keys, values), nil))
	}
	ok(t, created.Sequence.Commit(uint32(count), 0))
	return created.Sequence, blocks
}

func TestAnImageGoesThroughAFileIntoAnotherCache(t *testing.T) {
	cache := small(t)
	store := smallStore(t, cache, StoreBlocks)
	sequence, _ := filled(t, cache, store, 9)
	image := make([]byte, must(sequence.ImageBytes(0)))
	label := Label{1, 2, 3}
	size := must(sequence.CopySave([]*Store{store}, &SaveOptions{Label: label}, image, nil))
	if int(size) != len(image) {
		t.Fatal(size)
	}
	_, err := sequence.CopySave([]*Store{store}, nil, image[:64], nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Status != ErrBufferTooSmall {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image")
	ok(t, WriteImageFile(path, image))
	read := must(ReadImageFile(path))
	if info := must(CheckImage(read)); info.NumTokens != 9 || info.Label != label {
		t.Fatalf("%+v", info)
	}
	ids := make([]int32, 9)
	ok(t, ReadImageTokens(read, 0, ids))
	group := must(ImageGroup(read))
	other, err := Open(&Config{NumBlocks: 16, BlockTokens: 8, Groups: []Group{group}})
	closing(t, other, err)
	target := smallStore(t, other, StoreBlocks)
	_, err = other.CopyLoad(read, nil, []*Store{target}, nil)
	refused(t, err, ErrOtherGeometry) // another label
	created := must(other.CopyLoad(read, &LoadOptions{Label: label, Sequence: &SequenceOptions{RequestID: 5}}, []*Store{target}, nil))
	if created.Length != 9 || must(other.Find(5)) != created.Sequence || !slices.Equal(ids, tokens(1, 9)) {
		t.Fatalf("%+v", created)
	}
	read[len(read)-1] ^= 1
	_, err = other.CopyLoad(read, &LoadOptions{Flags: LoadAnyLabel}, []*Store{target}, nil)
	refused(t, err, ErrBadImage)
	refused(t, WriteImageFile(path, read), ErrBadImage)
	_, err = ReadImageFile(filepath.Join(t.TempDir(), "none"))
	refused(t, err, ErrIO)
	_, err = ReadImageFile("a\x00b")
	refused(t, err, ErrInvalidArgument)
}

// attend by hand, in the plainest way: one query head, K/V of one head.
func attend(query []float32, keys, values [][]float32) []float32 {
	sum, out := 0.0, make([]float32, len(query))
	for i, key := range keys {
		score := 0.0
		for d := range query {
			score += float64(query[d] * key[d])
		}
		weight := math.Exp(score / math.Sqrt(float64(len(query))))
		sum += weight
		for d := range out {
			out[d] += float32(weight * float64(values[i][d]))
		}
	}
	for d := range out {
		out[d] /= float32(sum)
	}
	return out
}

func TestAttentionIsWhatItIsByHand(t *testing.T) {
	cache := small(t)
	store := smallStore(t, cache, StoreBlocks)
	const count = 6
	created := must(cache.Create(Prompt{Tokens: tokens(1, count)}, nil))
	blocks := must(created.Sequence.Blocks())
	keys, values := make([]float32, count*tokenNumbers), make([]float32, count*tokenNumbers)
	for i := range keys {
		keys[i], values[i] = float32(i%7)/8, float32(i%5)
	}
	ok(t, store.CopyWriteTokens(0, slotsOf(blocks, count), layerData(keys, values), nil))
	query, out, sums := counted(0.5, testHeads*testDim), make([]float32, testHeads*testDim), make([]float32, testHeads)
	work := Attention{NumSequences: 1, QueryHeads: testHeads, DType: DTypeF32, Query: BytesOf(query), Out: BytesOf(out),
		LogSums: sums, Parts: []AttentionPart{{Store: store, BlockTable: blocks, TableStride: 2, Lengths: []uint32{count}}}}
	ok(t, work.Decode(nil))
	for head := range testHeads {
		var headKeys, headValues [][]float32
		for token := range count {
			at := token*tokenNumbers + head*testDim
			headKeys, headValues = append(headKeys, keys[at:at+testDim]), append(headValues, values[at:at+testDim])
		}
		for d, wanted := range attend(query[head*testDim:][:testDim], headKeys, headValues) {
			if got := out[head*testDim+d]; math.Abs(float64(got-wanted)) > 1e-4 {
				t.Fatal(out, wanted)
			}
		}
	}
	twice, twiceSums := make([]float32, len(out)), make([]float32, len(sums))
	ok(t, MergeAttention(BytesOf(out), sums, BytesOf(out), sums, BytesOf(twice), twiceSums, testDim, DTypeF32, nil))
	if math.Abs(float64(twice[0]-out[0])) > 1e-5 || math.Abs(float64(twiceSums[0]-sums[0])-math.Ln2) > 1e-5 {
		t.Fatal(twice, out, twiceSums, sums)
	}
	for name, spoil := range map[string]func(*Attention){
		"query":   func(a *Attention) { a.Query = a.Query[1:] },
		"out":     func(a *Attention) { a.Out = a.Out[:4] },
		"sums":    func(a *Attention) { a.LogSums = a.LogSums[:1] },
		"strides": func(a *Attention) { a.QueryStrides[2] = -1 },
		"lengths": func(a *Attention) { a.Parts = []AttentionPart{{Store: store, BlockTable: blocks}} },
		"table": func(a *Attention) {
			a.Parts = []AttentionPart{{Store: store, BlockTable: blocks[:1], Lengths: []uint32{6}}}
		},
		"sinks":  func(a *Attention) { a.SinkLogits = make([]float32, 1) },
		"parts":  func(a *Attention) { a.Parts = nil },
		"many":   func(a *Attention) { a.NumSequences = 1 << 31 },
		"queued": func(a *Attention) {},
	} {
		broken := work
		spoil(&broken)
		var stream *Stream
		if name == "queued" { // memory of Go's
			stream = workers(t)
		}
		if err := broken.Decode(stream); err == nil {
			t.Error(name)
		}
	}
	refused(t, MergeAttention(BytesOf(out), sums, BytesOf(out), sums[:1], BytesOf(out), nil, testDim, DTypeF32, nil), ErrInvalidArgument)
}

func TestTwoTiers(t *testing.T) {
	plane := Plane{Role: PlaneKeys, KVHeads: 2, HeadDim: 32}
	planes := []Plane{plane, plane}
	planes[1].Role = PlaneValues
	ok(t, ChoosePlanes(planes, FormatI8, 8))
	cache, err := Open(&Config{NumBlocks: 16, BlockTokens: 8, Groups: []Group{{Rule: RuleFull, NumLayers: 1, Planes: planes}}})
	closing(t, cache, err)
	store := smallStore(t, cache, StoreBlocks)
	config := &TailConfig{DType: DTypeF32, TailTokens: 8, MaxSequences: 2}
	rings, err := store.OpenTailStore(config, nil)
	closing(t, rings, err)
	tail, err := store.OpenTail(rings, config)
	closing(t, tail, err)
	row := must(tail.OpenRow(0))
	const count, width = 20, 2 * 32
	created := must(cache.Create(Prompt{Tokens: tokens(1, count)}, nil))
	blocks := must(created.Sequence.Blocks())
	data, wanted := make([]float32, 2*width), make([]float32, 0, 2*count*width)
	stored := make([]uint32, 1)
	for position := range uint32(count) {
		for i := range data {
			data[i] = float32(position) + float32(i%width)/64
		}
		slots := make([]int64, 1)
		ok(t, tail.ReadSlots([]TailRow{row}, []uint32{position}, slots))
		ok(t, rings.CopyWriteTokens(0, slots, layerData(data[:width], data[width:]), nil))
		wanted = append(wanted, data[:width]...)
		ok(t, tail.CopyOverflow([]Overflow{{Row: row, Blocks: blocks, Length: position + 1, KeepTokens: Unset}}, stored, nil))
	}
	info, table := must(tail.Info()), []int32(nil)
	table = make([]int32, info.RingBlocks)
	ok(t, tail.ReadTables([]TailRow{row}, table, info.RingBlocks, stored))
	refused(t, tail.ReadTables([]TailRow{row}, table[:0], info.RingBlocks, stored), ErrBufferTooSmall)
	if stored[0] != 8 || info.OpenRows != 1 || info.TailTokens != 8 {
		t.Fatal(stored, info)
	}
	all := make([]float32, 2*count*width)
	ok(t, tail.CopyReadTiers(Overflow{Row: row, Blocks: blocks, Length: count}, DTypeF32, BytesOf(all), nil))
	for i, want := range wanted {
		if math.Abs(float64(all[i]-want)) > float64(want)/100+0.05 || i >= 8*width && all[i] != want {
			t.Fatal(i, all[i], want)
		}
	}
	ok(t, tail.CloseRow(row))
	refused(t, tail.CloseRow(row), ErrBadHandle)
}

func TestPoolsOverYourMemoryAndTrackers(t *testing.T) {
	tracker, err := OpenTracker(8)
	closing(t, tracker, err)
	records := make([]MemoryRecord, 2)
	ok(t, tracker.Record([]Allocation{{Purpose: PurposeWeights, Bytes: 100}, {Purpose: PurposeOther, Bytes: 10}}, records))
	refused(t, tracker.Record(make([]Allocation, 1), nil), ErrInvalidArgument)
	ok(t, tracker.SetLimit(DeviceHost, 4000))
	_, err = OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 2, Tracker: tracker})
	refused(t, err, ErrNoCapacity)
	if totals := must(tracker.Totals(DeviceHost, Purpose(Unset))); totals.Bytes != 110 || totals.Records != 2 || totals.Refused == 0 {
		t.Fatalf("%+v", totals)
	}
	ok(t, tracker.Forget(records[:1]))
	refused(t, tracker.Forget(records[:1]), ErrBadHandle)

	buffer := must(NewBuffer(3 * 4096))
	pool := must(OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 3, Memory: buffer.Bytes()}))
	refused(t, buffer.Close(), ErrBusy)
	tensors, contents := make([]TensorID, 2), make([]Content, 2)
	arena := must(pool.CreateArena(4))
	ok(t, arena.CreateTensors([]uint64{512, 512}, tensors, contents))
	refused(t, arena.CreateTensors([]uint64{512}, tensors, nil), ErrInvalidArgument)
	one := pool.Tensor(tensors[0])
	must(one.Extend(16))
	ok(t, one.CopyTo(0, BytesOf(counted(2, 4)), nil))
	shaped := must(one.Shape(0, DTypeF32, 2, -1))
	if !slices.Equal(must(shaped.Bytes()), buffer.Bytes()[:16]) || shaped.Shape[1] != 2 {
		t.Fatalf("%+v", shaped)
	}
	if info := must(arena.Info()); info.Tensors != 2 || info.Owner != 4 {
		t.Fatalf("%+v", info)
	}
	if config := must(pool.Config()); len(config.Memory) != 3*4096 || &config.Memory[0] != &buffer.Bytes()[0] {
		t.Fatal(len(config.Memory))
	}
	ok(t, pool.Reserve(3))
	if dropped := must(pool.DropAll()); dropped.Arenas != 1 {
		t.Fatalf("%+v", dropped)
	}
	ok(t, pool.Close())
	ok(t, buffer.Close())
	_, err = OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 1, Memory: make([]byte, 4096)})
	refused(t, err, ErrInvalidArgument) // memory of Go's
}

func TestBuffers(t *testing.T) {
	_, err := NewBuffer(0)
	refused(t, err, ErrInvalidArgument)
	buffer := sized(t, 100)
	_, err = WrapBuffer(buffer.Bytes()[10:])
	refused(t, err, ErrInvalidArgument) // it lies in another one
	_, err = Elements[float32](buffer, 2, 1)
	refused(t, err, ErrOutOfRange)
	_, err = Elements[float32](buffer, 0, 26)
	refused(t, err, ErrOutOfRange)
	outer := must(NewBuffer(8192))
	memory := outer.Bytes()
	outer.cleanup.Stop()
	registry.Lock() // as memory that came from elsewhere: it is in no buffer
	registry.all = slices.DeleteFunc(registry.all, func(entry *lent) bool { return entry == find(memory) })
	registry.Unlock()
	wrapped := must(WrapBuffer(memory))
	ok(t, wrapped.Close())
	refused(t, wrapped.Close(), ErrBadHandle)
}

func TestModelsAndPlans(t *testing.T) {
	model := must(FindModel("mistralai/Mistral-7B"))
	if model.KVHeads != 8 || model.QueryHeads != 32 || model.Family.String() != "Mistral" || model.Attention != 0 && model.Attention.String() != "GQA" {
		t.Fatalf("%+v", model)
	}
	if ModelName(model.Preset) == "" || ModelName(0) != "" {
		t.Fatal(ModelName(model.Preset))
	}
	_, err := FindModel("no such model")
	refused(t, err, ErrNotFound)
	sizes := must(model.Sizes(0, 0, 4096))
	if sizes.Bytes != 536870912 || sizes.SavedBytes != 3*sizes.Bytes {
		t.Fatalf("%+v", sizes)
	}
	if group := must(model.Group(0)); group.NumLayers != 32 || group.QueryHeads != 32 || len(group.Planes) != 2 {
		t.Fatalf("%+v", group)
	}
	fields := must(ModelFromFields(ModelFields{NumHiddenLayers: 32, NumAttentionHeads: 32, NumKeyValueHeads: 8, HiddenSize: 4096, ModelType: "mistral", TorchDType: "bfloat16"}))
	if fields.KeyHeadDim != 128 || fields.DType != DTypeBF16 || fields.Family != FamilyMistral {
		t.Fatalf("%+v", fields)
	}
	if must(DetectKVHeads(1024, 128, 32)) != 8 {
		t.Fatal("KV heads")
	}
	fit := must(model.Fit(PlannerRequest{ContextTokens: 4096, BudgetBytes: 20 << 30}))
	need := must(model.Need(PlannerRequest{ContextTokens: 4096, NumSequences: fit.NumSequences}))
	if fit.NumSequences != 39 || need.StoreBytes > 20<<30 {
		t.Fatalf("%+v %+v", fit, need)
	}
	if page := must(model.PageSize(PlannerRequest{ContextTokens: 4096})); page.PageBytes != 4096*8*128*2 {
		t.Fatalf("%+v", page)
	}
	if BlocksFor(17, 16) != 2 || !Has(FeaturePrefixIndex) || Has(Feature(999)) || Version() != HeaderVersion || VersionString() == "" {
		t.Fatal("features")
	}
	inUse := ISAInUse()
	ok(t, ChooseISA(ISAPlain))
	if ISAInUse() != ISAPlain || ISAPlain.String() == "" {
		t.Fatal(ISAInUse())
	}
	ok(t, ChooseISA(inUse))
	refused(t, ChooseISA(99), ErrInvalidArgument)
}
