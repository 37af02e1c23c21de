// helpers_test.go: what the tests share: small caches, stores and streams that are closed at the end.
package arenakv

import (
	"errors"
	"runtime"
	"testing"
	"time"
)

// ok is for calls that may not fail.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must is for results of calls that may not fail.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// refused is for calls that must fail with this status.
func refused(t testing.TB, err error, status Status) {
	t.Helper()
	if !errors.Is(err, status) {
		t.Fatalf("answered %v, expected %v", err, status.String())
	}
}

// closing ends something with the test.
func closing[T interface{ Close() error }](t testing.TB, of T, err error) T {
	t.Helper()
	ok(t, err)
	t.Cleanup(func() {
		if err := of.Close(); err != nil && !errors.Is(err, ErrBadHandle) {
			t.Error("at the end:", err)
		}
	})
	return of
}

const testLayers, testHeads, testDim, testBlock = 2, 2, 4, 4

func smallGroup(dtype DType) []Group {
	plane := Plane{Role: PlaneKeys, DType: dtype, KVHeads: testHeads, HeadDim: testDim}
	values := plane
	values.Role = PlaneValues
	return []Group{{Rule: RuleFull, NumLayers: testLayers, Planes: []Plane{plane, values}}}
}

// small is a cache of 16 blocks of 4 tokens, with 2 layers of 2 heads of 4 numbers, and 16 swap blocks.
func small(t testing.TB) *Cache {
	t.Helper()
	cache, err := Open(&Config{NumBlocks: 16, BlockTokens: testBlock, NumSwapBlocks: 16, Groups: smallGroup(DTypeF32)})
	return closing(t, cache, err)
}

func smallStore(t testing.TB, cache *Cache, columns Columns) *Store {
	t.Helper()
	store, err := cache.OpenStore(&StoreConfig{Columns: columns})
	return closing(t, store, err)
}

// workers is a stream with threads of its own, waited for at the end.
func workers(t testing.TB) *Stream {
	t.Helper()
	stream, err := OpenStream(&StreamConfig{NumWorkers: 2})
	closing(t, stream, err)
	t.Cleanup(func() { _ = stream.Wait(t.Context(), PointAll) })
	return stream
}

func sized(t testing.TB, bytes int) *Buffer {
	t.Helper()
	buffer, err := NewBuffer(bytes)
	return closing(t, buffer, err)
}

func tokens(first int32, count int) []int32 {
	list := make([]int32, count)
	for i := range list {
		list[i] = first + int32(i)
	}
	return list
}

// slotsOf are the slots of blocks, one behind the other.
func slotsOf(blocks []int32, count int) []int64 {
	slots := make([]int64, count)
	for i := range slots {
		slots[i] = int64(blocks[i/testBlock])*testBlock + int64(i%testBlock)
	}
	return slots
}

// counted are numbers that differ from each other.
func counted(first float32, count int) []float32 {
	list := make([]float32, count)
	for i := range list {
		list[i] = first + float32(i)
	}
	return list
}

// collected runs the collector until what it finds has led to this; it gives up after a minute.
func collected(t testing.TB, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); {
		if time.Now().After(deadline) {
			t.Fatal("the collector has not found it")
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

// fewer repetitions where the collector runs in every call.
func times(usual, underTorture int) int {
	if tortured {
		return underTorture
	}
	return usual
}
