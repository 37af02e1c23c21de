// cache_test.go: caches and sequences do what they say, errors have their numbers, and the step allocates nothing.
package arenakv

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

func TestAnErrorHasItsStatusNumbersAndMessage(t *testing.T) {
	cache := small(t)
	_, err := cache.Create(Prompt{Tokens: tokens(1, 100)}, nil)
	var failure *Error
	if !errors.As(err, &failure) || !errors.Is(err, ErrNoBlocks) || errors.Is(err, ErrNoCapacity) {
		t.Fatal(err)
	}
	if failure.Needed != 25 || failure.Available != 16 || failure.Row != NoRow || !strings.Contains(err.Error(), "requested 100 tokens") {
		t.Fatalf("%+v", failure)
	}
	if ErrNoBlocks.String() != "AKV_ERROR_NO_BLOCKS" || ErrNoBlocks.Error() != "no blocks" {
		t.Fatal(ErrNoBlocks.String(), ErrNoBlocks.Error())
	}
	good := must(cache.Create(Prompt{Tokens: tokens(1, 4)}, nil)).Sequence
	_, err = cache.AppendBatch(&Batch{Sequences: []SequenceID{good.ID, good.ID}}, nil)
	refused(t, err, ErrInvalidArgument)
	err = cache.CommitBatch([]SequenceID{good.ID, 77}, nil, 0)
	if !errors.As(err, &failure) || failure.Row != 1 {
		t.Fatalf("%+v", failure)
	}
}

func TestAMessageBelongsToItsOwnCall(t *testing.T) {
	cache, done := small(t), make(chan string)
	for worker := range 8 {
		go func() {
			for range times(2000, 5) {
				_, err := cache.Create(Prompt{Tokens: tokens(1, 100+worker)}, nil)
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("requested %d tokens", 100+worker)) {
					done <- fmt.Sprint(err)
					return
				}
				runtime.Gosched()
			}
			done <- ""
		}()
	}
	for range 8 {
		if problem := <-done; problem != "" {
			t.Error(problem)
		}
	}
}

func TestWhatIsConfiguredIsReadBack(t *testing.T) {
	config := Config{NumBlocks: 12, BlockTokens: 8, MaxSequences: 3, BlockAllocator: BlockAllocatorBuddy, Scrub: ScrubNone,
		NumSwapBlocks: 5, Groups: smallGroup(DTypeF16)}
	sizes := must(config.Sizes())
	if sizes.BytesPerToken != testLayers*2*testHeads*testDim*2 || sizes.BlockTokens != 8 || sizes.SwapBytes != 5*8*sizes.BytesPerToken {
		t.Fatalf("%+v", sizes)
	}
	cache, err := Open(&config)
	closing(t, cache, err)
	read := must(cache.Config())
	if read.NumBlocks != 12 || read.MaxSequences != 3 || read.BlockAllocator != BlockAllocatorBuddy || read.MaxTokensPerSequence != 4096 {
		t.Fatalf("%+v", read)
	}
	group := must(cache.Group(0))
	if len(group.Planes) != 2 || group.Planes[1] != config.Groups[0].Planes[1] || group.NumLayers != testLayers {
		t.Fatalf("%+v", group)
	}
	_, err = cache.Group(1)
	refused(t, err, ErrOutOfRange)
	_, err = Open(&Config{Groups: make([]Group, 2)})
	if err == nil {
		t.Fatal("two groups without planes")
	}
}

// TestAStepDoesNotAllocate: nor do the other calls of a scheduler.
func TestAStepDoesNotAllocate(t *testing.T) {
	if tortured {
		t.Skip("the collector that runs in every call allocates")
	}
	const count = 64
	cache, err := Open(&Config{NumBlocks: 4096, MaxSequences: count + 3})
	closing(t, cache, err)
	batch := Batch{Tokens: make([]int32, count)}
	tables := Tables{SlotMapping: make([]int64, count), Positions: make([]int64, count), QueryStartLoc: make([]int32, count+1),
		KVIndptr: make([]int32, count+1), KVIndices: make([]int32, 4096), KVLastPageLen: make([]int32, count),
		BlockTable: make([]int32, count*64), RowStates: make([]RowState, count), FirstPositions: make([]int32, count),
		SeqLens: make([]int32, count), RowWidth: 64}
	for i := range count {
		created := must(cache.Create(Prompt{Tokens: tokens(int32(i)*1000, 20)}, nil))
		batch.Sequences = append(batch.Sequences, created.Sequence.ID)
	}
	alone := &SequenceOptions{Flags: SequenceNoMatch | SequenceNoPublish} // no plan is ever wanted
	one := must(cache.Create(Prompt{Tokens: tokens(-99, 20)}, alone)).Sequence
	cut := must(cache.Create(Prompt{Tokens: tokens(-999, 20)}, alone)).Sequence
	prompt, blocks := Prompt{Tokens: tokens(0, 20)}, make([]int32, 64)
	cuts, lengths := []SequenceID{cut.ID}, []uint32{20}
	calls := map[string]func(){
		"AppendBatch":   func() { must(cache.AppendBatch(&batch, &tables)) },
		"ReadTables":    func() { must(0, cache.ReadTables(&batch, &tables)) },
		"CommitBatch":   func() { must(0, cache.CommitBatch(batch.Sequences, nil, 0)) },
		"TruncateBatch": func() { must(0, cache.TruncateBatch(cuts, lengths, 0)) },
		"Match":         func() { must(cache.Match(prompt)) },
		"CanAllocate":   func() { must(cache.CanAllocate(prompt, nil)) },
		"State":         func() { must(cache.State()) },
		"Create, Free":  func() { must(0, must(cache.Create(prompt, nil)).Sequence.Free()) },
		"Append":        func() { must(one.Append(prompt.Tokens[:1], 0)) },
		"Info":          func() { must(one.Info()) },
		"ReadBlocks":    func() { must(one.ReadBlocks(0, blocks)) },
		"tickets":       func() { must(0, cache.RetireTicket(must(cache.OpenTicket()))) },
		"Audit":         func() { must(0, cache.Audit()) },
	}
	for name, call := range calls {
		if allocations := testing.AllocsPerRun(20, call); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

func TestTablesHaveTheRoomThatTheirArraysHave(t *testing.T) {
	cache := small(t)
	one := must(cache.Create(Prompt{Tokens: tokens(1, 6)}, nil)).Sequence.ID
	batch := &Batch{Sequences: []SequenceID{one}}
	for name, tables := range map[string]*Tables{
		"no slot":          {SlotMapping: []int64{}},
		"no position":      {SlotMapping: make([]int64, 9), Positions: []int64{}},
		"no row":           {BlockTable: make([]int32, 1), RowWidth: 2},
		"no row state":     {BlockTable: make([]int32, 8), RowWidth: 8, RowStates: []RowState{}},
		"no length":        {SeqLens: []int32{}},
		"one place":        {QueryStartLoc: make([]int32, 1)},
		"none at all":      {KVIndptr: []int32{}},
		"no indices":       {KVIndptr: make([]int32, 2), KVIndices: []int32{}},
		"padding too far":  {SlotMapping: make([]int64, 1), PaddedSlots: 2},
		"rows of nobody":   {SeqLens: make([]int32, 1), RowOf: []uint32{}},
		"a row too far":    {SeqLens: make([]int32, 1), RowOf: []uint32{1}},
		"padded sequences": {KVLastPageLen: make([]int32, 1), PaddedSequences: 2},
	} {
		if err := cache.ReadTables(batch, tables); err == nil {
			t.Error(name, "was written to")
		}
	}
	refused(t, cache.ReadTables(batch, &Tables{BlockTable: make([]int32, 8), RowWidth: 8, RowStride: 4}), ErrInvalidArgument)
	tables := Tables{BlockTable: make([]int32, 2), RowWidth: 2, RowStride: 100} // the last row needs no stride behind it
	ok(t, cache.ReadTables(batch, &tables))
	if tables.BlockTable[0] != 1 || tables.BlockTable[1] != 2 {
		t.Fatal(tables.BlockTable)
	}
	for _, batch := range []*Batch{{Sequences: batch.Sequences, NumTokens: []uint32{1, 1}}, {Sequences: batch.Sequences, First: []uint32{}}} {
		refused(t, cache.ReadTables(batch, &tables), ErrInvalidArgument)
	}
	refused(t, cache.CommitBatch(batch.Sequences, []uint32{}, 0), ErrInvalidArgument)
	refused(t, cache.TruncateBatch(batch.Sequences, nil, 0), ErrInvalidArgument)
	_, _, err := cache.FreeBatch(batch.Sequences, []Status{})
	refused(t, err, ErrInvalidArgument)
}

func TestLengthsBeyondThirtyTwoBitsAreRefused(t *testing.T) {
	refused(t, fits(1, math.MaxUint32+1), ErrInvalidArgument)
	ok(t, fits(0, math.MaxUint32))
}

func TestReadOuts(t *testing.T) {
	cache := small(t)
	first := must(cache.Create(Prompt{Tokens: tokens(1, 9), Domain: 3}, &SequenceOptions{RequestID: 8, Owner: 2})).Sequence
	ok(t, first.Commit(9, 0))
	pin, pinned, err := cache.Pin(Prompt{Tokens: tokens(1, 9), Domain: 3}, 2)
	ok(t, err)
	lines, holds := must(cache.Sequences()), must(cache.Holds())
	if len(lines) != 1 || lines[0].Sequence != first.ID || lines[0].Domain != 3 || lines[0].Committed != 9 || pinned != 8 {
		t.Fatalf("%+v", lines)
	}
	if len(holds) != 1 || holds[0].Kind != HoldPin || holds[0].Handle != uint64(pin.ID) || holds[0].Blocks != 2 {
		t.Fatalf("%+v", holds)
	}
	states := make([]BlockState, 17)
	ok(t, cache.ReadBlockMap(states))
	if states[0] != BlockNull || states[1] != BlockLive || states[16] != BlockFree {
		t.Fatal(states)
	}
	refused(t, cache.ReadBlockMap(states[:16]), ErrBufferTooSmall)
	if measures := must(cache.Measure()); measures.LiveTokens != 9 || measures.Advice != AdviceNone {
		t.Fatalf("%+v", measures)
	}
	if text := must(cache.BlockMap(0)); !strings.Contains(text, "0###") {
		t.Fatal(text)
	}
	if text := must(cache.Dump()); !strings.Contains(text, "16") || len(text) < 200 {
		t.Fatal(text)
	}
	ok(t, cache.AuditAll())
	if must(cache.Find(8)) != first {
		t.Fatal("another sequence was found")
	}
}
