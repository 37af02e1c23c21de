// abuse_test.go: all that a Go program can do wrong: stale handles, use after Close, zero values, closing in the wrong
// order, memory that is not there, a child of fork(). Each is an error; nothing crashes.
package arenakv

import (
	"context"
	"runtime"
	"testing"

	"arenakv/internal/cside"
)

// everyCall is one of each kind of call on what belongs to a cache.
func everyCall(cache *Cache, sequence Sequence) map[string]error {
	answers := map[string]error{}
	keep := func(name string) func(any, error) { return func(_ any, err error) { answers[name] = err } }
	keep("Create")(cache.Create(Prompt{Tokens: tokens(1, 3)}, nil))
	keep("CanAllocate")(cache.CanAllocate(Prompt{}, nil))
	keep("Match")(cache.Match(Prompt{}))
	keep("Explain")(cache.Explain(Prompt{}))
	keep("State")(cache.State())
	keep("Config")(cache.Config())
	keep("Group")(cache.Group(0))
	keep("Measure")(cache.Measure())
	keep("Dump")(cache.Dump())
	keep("BlockMap")(cache.BlockMap(0))
	keep("Sequences")(cache.Sequences())
	keep("Holds")(cache.Holds())
	keep("Find")(cache.Find(1))
	keep("Clear")(cache.Clear(0))
	keep("ClearDomain")(cache.ClearDomain(1, 0))
	keep("DropOwner")(cache.DropOwner(1, 0))
	keep("OpenTicket")(cache.OpenTicket())
	keep("AbandonTicket")(cache.AbandonTicket(1))
	keep("ReadTicket")(cache.ReadTicket(1))
	keep("OpenStore")(cache.OpenStore(nil))
	keep("OpenPager")(cache.OpenPager([]*Store{{}}))
	keep("AppendBatch")(cache.AppendBatch(&Batch{Sequences: []SequenceID{sequence.ID}}, nil))
	keep("Pin")(0, second(cache.Pin(Prompt{Tokens: tokens(1, 9)}, 0)))
	keep("Unpin")(0, cache.PinByID(1).Unpin())
	keep("Release")(0, cache.Lease(1).Release())
	keep("Lease.Blocks")(cache.Lease(1).Blocks())
	keep("Plan.Info")(cache.Plan(1).Info())
	keep("Plan.Records")(cache.Plan(1).Records())
	keep("Finish")(0, cache.Plan(1).Finish(0))
	keep("Abandon")(0, cache.Plan(1).Abandon())
	keep("CopyRun")(0, cache.Plan(1).CopyRun(nil, 0, nil))
	keep("RetireTicket")(0, cache.RetireTicket(1))
	keep("CommitBatch")(0, cache.CommitBatch([]SequenceID{sequence.ID}, nil, 0))
	keep("ReadTables")(0, cache.ReadTables(&Batch{Sequences: []SequenceID{sequence.ID}}, &Tables{}))
	keep("SetTokensBatch")(0, cache.SetTokensBatch(&Batch{Sequences: []SequenceID{sequence.ID}, Tokens: tokens(1, 1), First: []uint32{0}}))
	keep("TruncateBatch")(0, cache.TruncateBatch([]SequenceID{sequence.ID}, []uint32{0}, 0))
	keep("AcquireSwap")(0, cache.AcquireSwap(make([]int32, 1)))
	keep("ReleaseSwap")(0, cache.ReleaseSwap([]int32{1}))
	keep("ReadBlockMap")(0, cache.ReadBlockMap(make([]BlockState, 99)))
	keep("Audit")(0, cache.Audit())
	keep("AuditAll")(0, cache.AuditAll())
	for name, err := range everySequenceCall(sequence) {
		answers[name] = err
	}
	return answers
}

func second[A, B any](_ A, _ B, err error) error { return err }

func everySequenceCall(sequence Sequence) map[string]error {
	answers := map[string]error{}
	keep := func(name string) func(any, error) { return func(_ any, err error) { answers["sequence "+name] = err } }
	keep("Append")(sequence.Append(tokens(1, 1), 0))
	keep("AppendUnknown")(sequence.AppendUnknown(1, 0))
	keep("CanExtend")(sequence.CanExtend(1))
	keep("Reserve")(sequence.Reserve(1))
	keep("Fork")(sequence.Fork(Unset, nil))
	keep("Info")(sequence.Info())
	keep("Blocks")(sequence.Blocks())
	keep("SwapOut")(sequence.SwapOut())
	keep("SwapIn")(sequence.SwapIn())
	keep("ImageBytes")(sequence.ImageBytes(0))
	keep("CopySave")(sequence.CopySave(nil, nil, make([]byte, 64), nil))
	keep("AcquireLease")(0, second(sequence.AcquireLease(1, 0)))
	keep("Commit")(0, sequence.Commit(1, 0))
	keep("SetTokens")(0, sequence.SetTokens(0, tokens(1, 1)))
	keep("Truncate")(0, sequence.Truncate(0, 0))
	keep("SetLength")(0, sequence.SetLength(0))
	keep("ReadTokens")(0, sequence.ReadTokens(0, make([]int32, 1)))
	keep("Free")(0, sequence.Free())
	return answers
}

func TestAClosedCacheIsBadHandle(t *testing.T) {
	cache := must(Open(&Config{NumBlocks: 8, NumSwapBlocks: 4}))
	sequence := must(cache.Create(Prompt{Tokens: tokens(1, 9)}, nil)).Sequence
	ok(t, cache.Close())
	for name, err := range everyCall(cache, sequence) {
		t.Run(name, func(t *testing.T) { refused(t, err, ErrBadHandle) })
	}
	refused(t, cache.Close(), ErrBadHandle)
}

func TestAFreedSequenceIsBadHandle(t *testing.T) {
	cache := small(t)
	sequence := must(cache.Create(Prompt{Tokens: tokens(1, 9)}, nil)).Sequence
	ok(t, sequence.Free())
	must(cache.Create(Prompt{Tokens: tokens(50, 9)}, nil)) // in the same slot
	for name, err := range everySequenceCall(sequence) {
		t.Run(name, func(t *testing.T) { refused(t, err, ErrBadHandle) })
	}
	freed, stale, err := cache.FreeBatch([]SequenceID{sequence.ID, sequence.ID}, nil)
	ok(t, err)
	if freed != 0 || stale != 2 {
		t.Fatal(freed, stale)
	}
}

func TestZeroValuesAreErrors(t *testing.T) {
	for _, cache := range []*Cache{nil, {}} {
		for name, err := range everyCall(cache, Sequence{}) {
			if err == nil {
				t.Error("a cache that was never opened:", name)
			}
		}
	}
	for name, err := range everySequenceCall(small(t).Sequence(0)) {
		if err == nil {
			t.Error("no sequence:", name)
		}
	}
	for _, thing := range []interface{ Close() error }{new(Cache), new(Store), new(Stream), new(Pager), new(Tail), new(PagePool), new(Tracker), new(Buffer)} {
		refused(t, thing.Close(), ErrBadHandle)
	}
	for _, thing := range []interface{ Close() error }{(*Cache)(nil), (*Store)(nil), (*Stream)(nil), (*Pager)(nil), (*Tail)(nil), (*PagePool)(nil), (*Tracker)(nil), (*Buffer)(nil)} {
		ok(t, thing.Close())
	}
}

// closedCalls: calls on everything that is no cache.
func closedCalls(store *Store, stream *Stream, pager *Pager, tail *Tail, pool *PagePool, tracker *Tracker) map[string]error {
	data := []TokenData{{Data: make([]byte, 256)}}
	return map[string]error{
		"store Info":             justError(store.Info()),
		"store Region":           justError(store.Region(0, 0)),
		"store View":             justError(store.View(0, 0)),
		"store SequenceView":     justError(store.SequenceView(0, 0, []int32{1}, 1)),
		"store CheckView":        store.CheckView(View{}),
		"store SpanBytes":        justError(store.SpanBytes(0, 0, 1, 0)),
		"store Stats":            justError(store.Stats()),
		"store WarmUp":           store.WarmUp(context.Background(), nil),
		"store CopyWriteTokens":  store.CopyWriteTokens(0, []int64{4}, data, nil),
		"store CopyReadTokens":   store.CopyReadTokens(0, []int64{4}, data, nil),
		"store CopyGather":       store.CopyGather([]Span{{Blocks: []int32{1}, NumTokens: 1, Data: make([]byte, 999)}}, nil),
		"store CopyScatter":      store.CopyScatter([]Span{{Blocks: []int32{1}, NumTokens: 1, Data: make([]byte, 999)}}, nil),
		"store CopyZero":         store.CopyZero([]int32{1}, nil),
		"store CopyBlocks":       store.CopyBlocks([]int32{1}, store, []int32{2}, 0, nil),
		"store CopyConverted":    store.CopyConverted([]int32{1}, nil, store, []int32{2}, nil, nil),
		"store OpenTail":         justError(store.OpenTail(store, nil)),
		"store OpenTailStore":    justError(store.OpenTailStore(nil, nil)),
		"CopyRecords":            CopyRecords(make([]PlanRecord, 1), []*Store{store}, 0, nil),
		"Decode":                 (&Attention{DType: DTypeF32, QueryHeads: 2, Parts: []AttentionPart{{Store: store}}}).Decode(nil),
		"stream Record":          justError(stream.Record()),
		"stream Passed":          justError(stream.Passed(0)),
		"stream Follow":          stream.Follow(stream, 0),
		"stream FD":              justError(stream.FD()),
		"stream Poll":            justError(stream.Poll()),
		"stream Wait":            stream.Wait(context.Background(), 0),
		"stream Call":            stream.Call(func() {}),
		"stream RecordTicket":    stream.RecordTicket(&Cache{}, 1),
		"pager CopyMakeResident": justError(pager.CopyMakeResident(nil, nil, nil)),
		"tail Info":              justError(tail.Info()),
		"tail OpenRow":           justError(tail.OpenRow(0)),
		"tail CloseRow":          tail.CloseRow(1),
		"tail ReadSlots":         tail.ReadSlots([]TailRow{1}, []uint32{0}, make([]int64, 1)),
		"tail ReadTables":        tail.ReadTables([]TailRow{1}, make([]int32, 999), 999, make([]uint32, 1)),
		"tail CopyOverflow":      tail.CopyOverflow([]Overflow{{Row: 1}}, nil, nil),
		"tail CopyReadTiers":     tail.CopyReadTiers(Overflow{Row: 1}, DTypeF32, make([]byte, 999), nil),
		"pool Config":            justError(pool.Config()),
		"pool State":             justError(pool.State()),
		"pool Stats":             justError(pool.Stats()),
		"pool Reserve":           pool.Reserve(1),
		"pool AcquirePages":      pool.AcquirePages(1, make([]PageID, 1), nil),
		"pool ReleasePages":      pool.ReleasePages([]PageID{1}),
		"pool PageView":          justError(pool.PageView(1)),
		"pool CopyZeroPage":      pool.CopyZeroPage(1, nil),
		"pool CreateArena":       justError(pool.CreateArena(1)),
		"pool OpenTicket":        justError(pool.OpenTicket()),
		"pool RetireTicket":      pool.RetireTicket(1),
		"pool AbandonTicket":     pool.AbandonTicket(1),
		"pool ReadTicket":        justError(pool.ReadTicket(1)),
		"pool DropOwner":         justError(pool.DropOwner(1)),
		"pool DropAll":           justError(pool.DropAll()),
		"arena Drop":             pool.Arena(1).Drop(),
		"arena Info":             justError(pool.Arena(1).Info()),
		"arena CreateTensor":     second(pool.Arena(1).CreateTensor(1)),
		"arena CreateTensors":    pool.Arena(1).CreateTensors([]uint64{1}, make([]TensorID, 1), nil),
		"tensor Extend":          justError(pool.Tensor(1).Extend(1)),
		"tensor View":            justError(pool.Tensor(1).View()),
		"tensor Shape":           justError(pool.Tensor(1).Shape(0, DTypeF32, -1)),
		"tensor CopyTo":          pool.Tensor(1).CopyTo(0, make([]byte, 1), nil),
		"tensor CopyFrom":        pool.Tensor(1).CopyFrom(0, make([]byte, 1), nil),
		"tensor CopyTensor":      pool.Tensor(1).CopyTensor(0, pool.Tensor(1), 0, 1, nil),
		"tensor CopyZero":        pool.Tensor(1).CopyZero(nil),
		"tracker Record":         tracker.Record([]Allocation{{Purpose: PurposeOther, Bytes: 1}}, make([]MemoryRecord, 1)),
		"tracker Forget":         tracker.Forget([]MemoryRecord{1}),
		"tracker SetLimit":       tracker.SetLimit(0, 1),
		"tracker Totals":         justError(tracker.Totals(0, Purpose(Unset))),
	}
}

func justError[A any](_ A, err error) error { return err }

func TestWhatWasClosedIsBadHandle(t *testing.T) {
	cache := small(t)
	store, swap := must(cache.OpenStore(nil)), smallStore(t, cache, StoreSwapBlocks)
	pager := must(cache.OpenPager([]*Store{store, swap}))
	config := &TailConfig{DType: DTypeF32, TailTokens: 4}
	rings := must(store.OpenTailStore(config, nil))
	tail := must(store.OpenTail(rings, config))
	stream, tracker := must(OpenStream(nil)), must(OpenTracker(0))
	pool := must(OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 2, Tracker: tracker}))
	refused(t, store.Close(), ErrBusy)   // the tail is over it
	refused(t, tracker.Close(), ErrBusy) // the pool records there
	for _, thing := range []interface{ Close() error }{tail, rings, pager, stream, pool, tracker, store} {
		ok(t, thing.Close())
		refused(t, thing.Close(), ErrBadHandle)
	}
	for name, err := range closedCalls(store, stream, pager, tail, pool, tracker) {
		t.Run(name, func(t *testing.T) { refused(t, err, ErrBadHandle) })
	}
	runtime.KeepAlive(rings)
}

func TestWhatWasNeverOpenedIsAnError(t *testing.T) {
	for name, err := range closedCalls(new(Store), new(Stream), new(Pager), new(Tail), new(PagePool), new(Tracker)) {
		if err == nil {
			t.Error(name)
		}
	}
	for name, err := range closedCalls(nil, nil, nil, nil, nil, nil) {
		if err == nil {
			t.Error("nil:", name)
		}
	}
}

func TestAChildOfForkIsToldSo(t *testing.T) {
	cache := small(t)
	sequence := must(cache.Create(Prompt{Tokens: tokens(1, 9)}, nil)).Sequence
	if call := cside.Child(cache.Raw(), uint64(sequence.ID)); call != 0 {
		t.Fatal("call", call, "of the child was answered otherwise")
	}
	if state := must(cache.State()); state.Sequences != 1 {
		t.Fatal("the child changed its parent's cache")
	}
}
