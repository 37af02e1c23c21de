// sharing_test.go: many goroutines and one cache; closing while others work; what was forgotten is closed after it.
package arenakv

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestGoroutinesShareACache: B14 every block is accounted for at the end.
func TestGoroutinesShareACache(t *testing.T) {
	cache, err := Open(&Config{NumBlocks: 256, BlockTokens: 8})
	closing(t, cache, err)
	system := tokens(0, 64)
	var group sync.WaitGroup
	var hits [8]uint64
	for worker := range 8 {
		group.Go(func() {
			numbers := rand.New(rand.NewPCG(1, uint64(worker)))
			for turn := range times(300, 3) {
				created, err := cache.Create(Prompt{Tokens: append(system[:64:64], int32(1000*worker+turn+1000))}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				hits[worker] += uint64(created.CachedTokens)
				for range numbers.IntN(20) {
					must(created.Sequence.Append([]int32{7}, 0))
				}
				must(0, created.Sequence.Commit(65, 0))
				must(created.Sequence.Blocks())
				must(0, created.Sequence.Free())
			}
		})
	}
	group.Wait()
	state := must(cache.State())
	var sum uint64
	for _, hit := range hits {
		sum += hit
	}
	if state.Sequences != 0 || state.LiveBlocks != 0 || state.CreatedSequences != uint64(8*times(300, 3)) || state.HitTokens != sum {
		t.Fatalf("%+v", state)
	}
	ok(t, cache.AuditAll())
}

func TestASequenceMeetsOneCallerAtATime(t *testing.T) {
	cache, err := Open(&Config{NumBlocks: 1024})
	closing(t, cache, err)
	sequence := must(cache.Create(Prompt{}, nil)).Sequence
	var group sync.WaitGroup
	var done [4]uint32
	for worker := range done {
		group.Go(func() {
			for range times(2000, 3) {
				if _, err := sequence.Append([]int32{1}, 0); err == nil {
					done[worker]++
				} else if !errors.Is(err, ErrBusy) && !errors.Is(err, ErrNoCapacity) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if info := must(sequence.Info()); info.Length != done[0]+done[1]+done[2]+done[3] {
		t.Fatal(info.Length, done)
	}
}

func TestCloseWhileOthersWorkEndsTheirCallsWithAnError(t *testing.T) {
	cache := must(Open(&Config{NumBlocks: 64}))
	started := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			started <- struct{}{}
			for {
				created, err := cache.Create(Prompt{Tokens: tokens(1, 3)}, nil)
				for grown := false; err == nil || errors.Is(err, ErrBusy); grown = true {
					if !grown {
						_, err = created.Sequence.Append([]int32{4}, 0)
					} else if err = created.Sequence.Free(); err == nil {
						break
					} // busy: a Close that will be refused is looking at it
				}
				if errors.Is(err, ErrBadHandle) {
					return
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	for {
		if err := cache.Close(); err == nil {
			break
		} else if !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	group.Wait()
}

func TestOfManyClosesOneSucceeds(t *testing.T) {
	for range times(50, 2) {
		cache := must(Open(&Config{NumBlocks: 8}))
		var group sync.WaitGroup
		var answers [4]error
		for i := range answers {
			group.Go(func() { answers[i] = cache.Close() })
		}
		group.Wait()
		closed := 0
		for _, err := range answers {
			if err == nil {
				closed++
			} else if !errors.Is(err, ErrBadHandle) && !errors.Is(err, ErrBusy) {
				t.Error(err)
			}
		}
		if closed != 1 {
			t.Fatal(answers)
		}
	}
}

// enough tries as long as the library has no room for more objects: the collector finds those that were forgotten.
func enough[T any](t *testing.T, full Status, open func() (T, error)) T {
	var made T
	collected(t, func() bool {
		var err error
		made, err = open()
		if err != nil && !errors.Is(err, full) {
			t.Fatal(err)
		}
		return err == nil
	})
	return made
}

// TestWhatIsForgottenIsClosed: over twice as many of each as may exist, and nobody closes one.
func TestWhatIsForgottenIsClosed(t *testing.T) {
	count := times(2*MaxObjects+10, MaxObjects+5)
	t.Run("caches", func(t *testing.T) {
		for range count {
			enough(t, ErrNoCaches, func() (*Cache, error) { return Open(&Config{NumBlocks: 4}) })
		}
	})
	cache := small(t)
	t.Run("stores", func(t *testing.T) {
		for range count {
			enough(t, ErrNoObjects, func() (*Store, error) { return cache.OpenStore(nil) })
		}
	})
	t.Run("streams with work", func(t *testing.T) {
		for range count {
			stream := enough(t, ErrNoObjects, func() (*Stream, error) { return OpenStream(&StreamConfig{NumWorkers: 1}) })
			ok(t, stream.Call(func() { runtime.Gosched() }))
		}
	})
	t.Run("trackers under pools", func(t *testing.T) {
		for range count {
			tracker := enough(t, ErrNoObjects, func() (*Tracker, error) { return OpenTracker(4) })
			enough(t, ErrNoObjects, func() (*PagePool, error) {
				return OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 1, Tracker: tracker})
			})
		}
	})
	t.Run("stores under tails", func(t *testing.T) {
		config := &TailConfig{DType: DTypeF32, TailTokens: 4}
		var alive [8]*Tail // the collector meets their stores, and must leave them
		for i := range count {
			store := enough(t, ErrNoObjects, func() (*Store, error) { return cache.OpenStore(nil) })
			rings := enough(t, ErrNoObjects, func() (*Store, error) { return store.OpenTailStore(config, nil) })
			alive[i%8] = enough(t, ErrNoObjects, func() (*Tail, error) { return store.OpenTail(rings, config) })
			if i%8 == 7 {
				runtime.GC()
			}
		}
	})
}

// TestAnObjectStaysForItsCall: nothing but the call itself has it. The tag arenakv_gctorture makes that hard.
func TestAnObjectStaysForItsCall(t *testing.T) {
	open := func() *Cache {
		return enough(t, ErrNoCaches, func() (*Cache, error) { return Open(&Config{NumBlocks: 4, Groups: smallGroup(DTypeF32)}) })
	}
	stream := func(workers uint32) *Stream {
		return enough(t, ErrNoObjects, func() (*Stream, error) { return OpenStream(&StreamConfig{NumWorkers: workers}) })
	}
	for range times(200, 20) {
		ok(t, open().Audit())
		created := must(open().Create(Prompt{Tokens: tokens(1, 9)}, nil))
		must(created.Sequence.Info())
		must(created.Sequence.Append([]int32{3}, 0))
		ok(t, enough(t, ErrNoObjects, func() (*Store, error) { return created.Sequence.cache.OpenStore(nil) }).CopyZero([]int32{1}, nil))
		must(stream(0).Poll())
		must(enough(t, ErrNoObjects, func() (*PagePool, error) {
			return OpenPagePool(&PagePoolConfig{PageBytes: 4096, NumPages: 1})
		}).State())
		must(enough(t, ErrNoObjects, func() (*Tracker, error) { return OpenTracker(1) }).Totals(0, Purpose(Unset)))
		ok(t, stream(1).Wait(context.Background(), PointAll))
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	stream, goOn := held(t)
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error)
	go func() { answer <- stream.Wait(ctx, PointAll) }()
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := stream.Wait(ctx, PointAll); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	point := must(stream.Record())
	if must(stream.Passed(point)) {
		t.Fatal("a stream that stands still has passed its work")
	}
	goOn()
	ok(t, stream.Wait(t.Context(), point))
	if !must(stream.Passed(point)) {
		t.Fatal("waited, and it has not passed")
	}
	refused(t, stream.Wait(t.Context(), point+99), ErrOutOfRange)
}
