// example_test.go: the examples of the documentation; what they print is what stands below them.
package arenakv_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"arenakv"
)

// Two prompts that begin alike: the second shares what the first has computed.
func Example() {
	cache, err := arenakv.Open(&arenakv.Config{NumBlocks: 16, BlockTokens: 4})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	first, _ := cache.Create(arenakv.Prompt{Tokens: []int32{11, 12, 13, 14, 15, 16, 17, 18, 19, 20}}, nil)
	_ = first.Sequence.Commit(first.Length, 0)
	second, _ := cache.Create(arenakv.Prompt{Tokens: []int32{11, 12, 13, 14, 15, 16, 17, 18, 19, 31, 32}}, nil)
	blocks, _ := second.Sequence.Blocks()
	fmt.Println(second.CachedTokens, "of", second.Length, "tokens were cached; blocks", blocks)
	// Output: 8 of 11 tokens were cached; blocks [1 2 4]
}

// A decode step: one token more for every sequence, and the tables that kernels read. The arrays are made once.
func ExampleCache_AppendBatch() {
	cache, err := arenakv.Open(&arenakv.Config{NumBlocks: 16, BlockTokens: 4})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	var running []arenakv.SequenceID
	for _, prompt := range [][]int32{{1, 2, 3}, {4, 5, 6, 7}} {
		created, _ := cache.Create(arenakv.Prompt{Tokens: prompt}, nil)
		running = append(running, created.Sequence.ID)
	}
	batch := &arenakv.Batch{Sequences: running, Tokens: []int32{33, 44}}
	tables := &arenakv.Tables{SlotMapping: make([]int64, 2), SeqLens: make([]int32, 2), BlockTable: make([]int32, 2*3),
		RowStates: make([]arenakv.RowState, 2), RowWidth: 3}
	if _, err := cache.AppendBatch(batch, tables); err != nil {
		panic(err)
	}
	fmt.Println("slots", tables.SlotMapping, "lengths", tables.SeqLens, "rows", tables.BlockTable)
	// Output: slots [7 12] lengths [4 5] rows [1 0 0 2 3 0]
}

// What does not fit is an error with its numbers, and nothing has changed.
func ExampleError() {
	cache, err := arenakv.Open(&arenakv.Config{NumBlocks: 4, BlockTokens: 16})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	_, err = cache.Create(arenakv.Prompt{Tokens: make([]int32, 100)}, nil)
	var failure *arenakv.Error
	if errors.Is(err, arenakv.ErrNoBlocks) && errors.As(err, &failure) {
		fmt.Println("needed", failure.Needed, "blocks, available", failure.Available)
	}
	// Output: needed 7 blocks, available 4
}

// K/V are written in the background, out of memory that is not Go's.
func ExampleStore_CopyWriteTokens() {
	planes := []arenakv.Plane{{Role: arenakv.PlaneKeys, DType: arenakv.DTypeF32, KVHeads: 1, HeadDim: 2}}
	planes = append(planes, planes[0])
	planes[1].Role = arenakv.PlaneValues
	cache, err := arenakv.Open(&arenakv.Config{NumBlocks: 4, Groups: []arenakv.Group{{Rule: arenakv.RuleFull, NumLayers: 1, Planes: planes}}})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	store, _ := cache.OpenStore(nil)
	defer store.Close()
	stream, _ := arenakv.OpenStream(&arenakv.StreamConfig{NumWorkers: 1})
	defer stream.Close()
	buffer, _ := arenakv.NewBuffer(4096)
	defer buffer.Close()

	keys, _ := arenakv.Elements[float32](buffer, 0, 2)
	values, _ := arenakv.Elements[float32](buffer, 8, 2)
	copy(keys, []float32{1, 2})
	copy(values, []float32{3, 4})
	data := []arenakv.TokenData{{Plane: 0, Data: arenakv.BytesOf(keys)}, {Plane: 1, Data: arenakv.BytesOf(values)}}
	if err := store.CopyWriteTokens(0, []int64{16}, data, stream); err != nil {
		panic(err)
	}
	fmt.Println("while it may be under way:", errors.Is(buffer.Close(), arenakv.ErrBusy))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := stream.Wait(ctx, arenakv.PointAll); err != nil {
		panic(err)
	}
	stats, _ := store.Stats()
	fmt.Println("bytes written:", stats[0].Bytes)
	// Output:
	// while it may be under way: true
	// bytes written: 16
}

// Tensors of a request grow in place, and are dropped at once.
func ExampleArena() {
	pool, err := arenakv.OpenPagePool(&arenakv.PagePoolConfig{PageBytes: 4096, NumPages: 4})
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	arena, _ := pool.CreateArena(1)
	keys, _, _ := arena.CreateTensor(1024)
	_, _ = keys.Extend(256)
	offset, _ := keys.Extend(256)
	view, _ := keys.View()
	fmt.Println("the second stretch begins at", offset, "and the tensor has", view.Bytes, "of", view.CapacityBytes, "bytes")
	_ = arena.Drop()
	state, _ := pool.State()
	fmt.Println("free pages:", state.FreePages)
	// Output:
	// the second stretch begins at 256 and the tensor has 512 of 1024 bytes
	// free pages: 4
}

// How many sequences of 4,096 tokens fit into 20 GiB?
func ExampleModel_Fit() {
	model, err := arenakv.FindModel("Mistral-7B")
	if err != nil {
		panic(err)
	}
	fit, _ := model.Fit(arenakv.PlannerRequest{ContextTokens: 4096, BudgetBytes: 20 << 30})
	fmt.Println(fit.NumSequences, "sequences of", fit.SequenceBlockBytes, "bytes")
	// Output: 39 sequences of 536870912 bytes
}
