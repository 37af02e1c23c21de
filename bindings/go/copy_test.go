// copy_test.go: K/V go where they are sent and come back, also in the background; what queued work uses stays until it is
// done; what would reach beyond a slice is refused before it is touched.
package arenakv

import (
	"context"
	"runtime"
	"slices"
	"testing"
)

const tokenNumbers = testHeads * testDim

// layerData are K/V of so many tokens, in memory that a test chooses.
func layerData(keys, values []float32) []TokenData {
	return []TokenData{{Plane: 0, Data: BytesOf(keys)}, {Plane: 1, Data: BytesOf(values)}}
}

func TestTokensComeBackAsTheyWere(t *testing.T) {
	cache := small(t)
	store := smallStore(t, cache, StoreBlocks)
	slots := slotsOf([]int32{3, 1}, 6)
	keys, values := counted(1, 6*tokenNumbers), counted(1000, 6*tokenNumbers)
	ok(t, store.CopyWriteTokens(1, slots, layerData(keys, values), nil))
	readKeys, readValues := make([]float32, len(keys)), make([]float32, len(values))
	ok(t, store.CopyReadTokens(1, slots, layerData(readKeys, readValues), nil))
	if !slices.Equal(keys, readKeys) || !slices.Equal(values, readValues) {
		t.Fatal(readKeys, readValues)
	}
	ok(t, store.CopyReadTokens(0, slots, layerData(readKeys, readValues), nil))
	if !slices.Equal(readKeys, make([]float32, len(keys))) {
		t.Fatal("the other layer was written to")
	}
	view := must(must(store.View(1, 0)).Slice(0, 3, 1))
	bytes := must(must(view.Reshape(-1)).Bytes())
	if !slices.Equal(bytes, BytesOf(keys[:testBlock*tokenNumbers])) {
		t.Fatal("the view shows other bytes")
	}
	ok(t, store.CheckView(view))
	_, err := must(view.Permute(0, 2, 1, 3)).Bytes()
	refused(t, err, ErrNotContiguous)
	region := must(store.Region(1, 0))
	if region.TokenStride != 4*tokenNumbers || len(region.Data) < 17*testBlock*tokenNumbers*4 || len(region.Scales) != 0 {
		t.Fatalf("%+v", region.TokenStride)
	}
}

// TestSlicesMayLieInStructs: whatever else those point to is nobody's business.
func TestSlicesMayLieInStructs(t *testing.T) {
	type row struct {
		keys, values [tokenNumbers]float32
		blocks       [1]int32
		image        [4096]byte
		next         *row
	}
	store := smallStore(t, small(t), StoreBlocks)
	one := &row{next: &row{}, blocks: [1]int32{1}}
	one.keys[3] = 7
	ok(t, store.CopyWriteTokens(0, []int64{4}, layerData(one.keys[:], one.values[:]), nil))
	ok(t, store.CopyReadTokens(0, []int64{4}, layerData(one.next.keys[:], one.next.values[:]), nil))
	if one.next.keys != one.keys {
		t.Fatal(one.next.keys)
	}
	ok(t, store.CopyGather([]Span{{Blocks: one.blocks[:], NumTokens: 1, Data: one.image[:]}}, nil))
	ok(t, store.CopyScatter([]Span{{Blocks: one.blocks[:], NumTokens: 1, Data: one.image[:]}}, nil))
	_, err := CheckImage(one.image[:])
	refused(t, err, ErrBadImage)
	pool, err := OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 1})
	closing(t, pool, err)
	tensor, _, err := must(pool.CreateArena(1)).CreateTensor(4096)
	ok(t, err)
	must(tensor.Extend(4096))
	ok(t, tensor.CopyTo(0, one.image[:], nil))
	ok(t, tensor.CopyFrom(0, one.image[:], nil))
}

func TestACopyDoesNotAllocate(t *testing.T) {
	if tortured {
		t.Skip("the collector that runs in every call allocates")
	}
	cache := small(t)
	store := smallStore(t, cache, StoreBlocks)
	slots, blocks := slotsOf([]int32{3, 1}, 6), []int32{3, 1}
	planes := layerData(counted(1, 6*tokenNumbers), counted(1000, 6*tokenNumbers))
	spans := []Span{{Blocks: blocks, NumTokens: 6, Data: make([]byte, 6*tokenNumbers*4*2*testLayers)}}
	stats := make([]CopyStats, 20)
	for name, call := range map[string]func(){
		"CopyWriteTokens": func() { must(0, store.CopyWriteTokens(1, slots, planes, nil)) },
		"CopyReadTokens":  func() { must(0, store.CopyReadTokens(1, slots, planes, nil)) },
		"CopyGather":      func() { must(0, store.CopyGather(spans, nil)) },
		"CopyScatter":     func() { must(0, store.CopyScatter(spans, nil)) },
		"CopyZero":        func() { must(0, store.CopyZero(blocks, nil)) },
		"ReadStats":       func() { must(store.ReadStats(stats)) },
	} {
		if allocations := testing.AllocsPerRun(20, call); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

func TestWhatReachesBeyondASliceIsRefused(t *testing.T) {
	store := smallStore(t, small(t), StoreBlocks)
	slots := slotsOf([]int32{3, 1}, 6)
	data := BytesOf(make([]float32, 6*tokenNumbers))
	for name, plane := range map[string]TokenData{
		"a token too few":    {Data: data[:len(data)-1]},
		"far tokens":         {Data: data, TokenStride: tokenNumbers*4 + 4},
		"far heads":          {Data: data, HeadStride: testDim*4 + 4},
		"backwards":          {Data: data, TokenStride: -4},
		"out of the world":   {Data: data, TokenStride: 1 << 62},
		"larger numbers":     {Data: data[:len(data)/2+1], DType: DTypeF32},
		"many small numbers": {Data: data[:len(data)/2-1], DType: DTypeF16},
	} {
		refused(t, store.CopyWriteTokens(0, slots, []TokenData{plane}, nil), ErrOutOfRange)
		if err := store.CopyReadTokens(0, slots, []TokenData{plane}, nil); err == nil {
			t.Error(name)
		}
	}
	refused(t, store.CopyWriteTokens(0, slots, []TokenData{{}}, nil), ErrInvalidArgument) // no data at all
	refused(t, store.CopyWriteTokens(0, slots, []TokenData{{Plane: 9, Data: data}}, nil), ErrOutOfRange)
	ok(t, store.CopyWriteTokens(0, slots, []TokenData{{Data: data[:len(data)/2], DType: DTypeF16}}, nil))
	refused(t, store.CopyGather([]Span{{Blocks: []int32{1}, NumTokens: 1, Data: data[:8]}}, nil), ErrBufferTooSmall)
	refused(t, store.CopyGather([]Span{{Blocks: []int32{1}, NumTokens: 1, Data: data, HeadScales: make([]float32, 3)}}, nil), ErrOutOfRange)
	refused(t, store.CopyBlocks([]int32{1}, store, nil, 0, nil), ErrInvalidArgument)
	refused(t, store.CopyConverted([]int32{1}, make([]float32, 1), store, []int32{2}, nil, nil), ErrOutOfRange)
}

// held is a stream whose queue stands still until the test lets it go on.
func held(t *testing.T) (stream *Stream, goOn func()) {
	stream = workers(t)
	gate := make(chan struct{})
	ok(t, stream.Call(func() { <-gate }))
	opened := false
	goOn = func() {
		if !opened {
			opened = true
			close(gate)
		}
	}
	t.Cleanup(goOn)
	return stream, goOn
}

func TestMemoryOfGoIsRefusedWhereWorkIsQueued(t *testing.T) {
	store, stream := smallStore(t, small(t), StoreBlocks), workers(t)
	data := make([]float32, 4096)
	slots := slotsOf([]int32{1}, 1)
	refused(t, store.CopyWriteTokens(0, slots, layerData(data, data), stream), ErrInvalidArgument)
	refused(t, store.CopyGather([]Span{{Blocks: []int32{1}, NumTokens: 1, Data: BytesOf(data)}}, stream), ErrInvalidArgument)
	buffer := must(NewBuffer(4096))
	closed := buffer.Bytes()
	ok(t, buffer.Close())
	refused(t, store.CopyGather([]Span{{Blocks: []int32{1}, NumTokens: 1, Data: closed}}, stream), ErrInvalidArgument)
	if must(stream.Record()) != 0 {
		t.Fatal("work was queued")
	}
}

func TestABufferStaysWhileACopyUsesIt(t *testing.T) {
	store := smallStore(t, small(t), StoreBlocks)
	stream, goOn := held(t)
	buffer := must(NewBuffer(4096))
	keys := must(Elements[float32](buffer, 0, tokenNumbers))
	values := must(Elements[float32](buffer, 2048, tokenNumbers))
	copy(keys, counted(5, tokenNumbers))
	ok(t, store.CopyWriteTokens(0, []int64{4}, layerData(keys, values), stream))
	refused(t, buffer.Close(), ErrBusy)
	refused(t, store.Close(), ErrBusy)
	refused(t, stream.Close(), ErrBusy)
	goOn()
	ok(t, stream.Wait(t.Context(), PointAll))
	ok(t, buffer.Close())
	refused(t, buffer.Close(), ErrBadHandle)
	read, other := make([]float32, tokenNumbers), make([]float32, tokenNumbers)
	ok(t, store.CopyReadTokens(0, []int64{4}, layerData(read, other), nil))
	if !slices.Equal(read, counted(5, tokenNumbers)) {
		t.Fatal(read)
	}
}

// queueAndForget queues a copy and drops everything that it uses, as a careless program does.
func queueAndForget(t *testing.T, stream *Stream, into *Buffer) (buffers []*lent) {
	cache := must(Open(&Config{NumBlocks: 4, BlockTokens: testBlock, Groups: smallGroup(DTypeF32)}))
	store := must(cache.OpenStore(nil))
	buffer := must(NewBuffer(4096))
	keys := must(Elements[float32](buffer, 0, tokenNumbers))
	copy(keys, counted(9, tokenNumbers))
	ok(t, store.CopyWriteTokens(0, []int64{4}, []TokenData{{Data: BytesOf(keys)}}, stream))
	target := must(Elements[float32](into, 0, tokenNumbers))
	ok(t, store.CopyReadTokens(0, []int64{4}, []TokenData{{Data: BytesOf(target)}}, stream))
	return []*lent{entryOf(buffer)}
}

func entryOf(buffer *Buffer) *lent {
	registry.Lock()
	defer registry.Unlock()
	return find(buffer.memory)
}

// registered tells whether the memory is still there.
func registered(entry *lent) bool {
	registry.Lock()
	defer registry.Unlock()
	return slices.Contains(registry.all, entry)
}

func TestWhatWasForgottenStaysUntilTheCopyIsDone(t *testing.T) {
	stream, goOn := held(t)
	into := sized(t, 4096)
	entries := queueAndForget(t, stream, into)
	for range 5 {
		runtime.GC()
	}
	if !registered(entries[0]) {
		t.Fatal("the buffer was unmapped under the copy")
	}
	goOn()
	ok(t, stream.Wait(t.Context(), PointAll))
	if read := must(Elements[float32](into, 0, tokenNumbers)); !slices.Equal(read, counted(9, tokenNumbers)) {
		t.Fatal(read)
	}
	collected(t, func() bool { return !registered(entries[0]) })
}

func TestARefusedCopyGivesItsBuffersBack(t *testing.T) {
	store, stream := smallStore(t, small(t), StoreBlocks), workers(t)
	buffer := must(NewBuffer(4096))
	refused(t, store.CopyWriteTokens(9, []int64{4}, []TokenData{{Data: buffer.Bytes()}}, stream), ErrOutOfRange)
	ok(t, buffer.Close())
}

func TestStoresOverYourMemory(t *testing.T) {
	cache := small(t)
	const regionBytes = 17 * testBlock * tokenNumbers * 4
	buffer := must(NewBuffer(testLayers * 2 * regionBytes))
	config := &StoreConfig{}
	for i := range testLayers * 2 {
		config.Regions = append(config.Regions, Region{Data: buffer.Bytes()[i*regionBytes : (i+1)*regionBytes],
			BlockStride: testBlock * tokenNumbers * 4, TokenStride: tokenNumbers * 4, HeadStride: testDim * 4})
	}
	store := must(cache.OpenStore(config))
	refused(t, buffer.Close(), ErrBusy)
	ok(t, store.CopyWriteTokens(0, []int64{4}, layerData(counted(3, tokenNumbers), counted(3, tokenNumbers)), nil))
	if got := must(Elements[float32](buffer, testBlock*tokenNumbers*4, 1)); got[0] != 3 {
		t.Fatal(got)
	}
	ok(t, store.Close())
	config.Regions[0].Data = config.Regions[0].Data[:100]
	_, err := cache.OpenStore(config)
	refused(t, err, ErrOutOfRange)
	config.Regions[0].Data = make([]byte, regionBytes) // Go's
	_, err = cache.OpenStore(config)
	refused(t, err, ErrInvalidArgument)
	ok(t, buffer.Close()) // what failed has kept nothing
}

func TestSwapAndPager(t *testing.T) {
	cache := small(t)
	blocks, swap := smallStore(t, cache, StoreBlocks), smallStore(t, cache, StoreSwapBlocks)
	stream := workers(t)
	var ids []SequenceID
	for i := range int32(4) {
		created := must(cache.Create(Prompt{Tokens: tokens(i*100, 16)}, nil))
		ok(t, created.Sequence.Commit(16, 0))
		ids = append(ids, created.Sequence.ID)
	}
	pager, err := cache.OpenPager([]*Store{blocks, swap})
	closing(t, pager, err)
	for range 10 {
		residence := must(pager.CopyMakeResident(ids[3:], []uint32{8}, stream))
		ok(t, stream.Wait(context.Background(), PointAll))
		if residence.Pending == 0 {
			break
		}
	}
	if state := must(cache.State()); state.SwappedSequences == 0 || must(cache.CanAllocate(Prompt{Tokens: tokens(900, 8)}, nil)).Status != OK {
		t.Fatalf("%+v", state)
	}
	for _, line := range must(cache.Sequences()) {
		ok(t, cache.Sequence(line.Sequence).Free())
	}
}
