// callback_test.go: where the library calls Go: progress, completion, log lines. Panics go on where the call was made.
package arenakv

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAWarmUpTellsItsProgressAndCanBeStopped(t *testing.T) {
	store := smallStore(t, small(t), StoreBlocks)
	ok(t, store.WarmUp(t.Context(), nil))
	var last, calls uint64
	ok(t, store.WarmUp(t.Context(), func(done, total uint64) bool {
		calls++
		last = total - done
		must(store.Info()) // it may call the library
		return true
	}))
	if calls == 0 || last != 0 {
		t.Fatal(calls, last)
	}
	refused(t, store.WarmUp(t.Context(), func(done, total uint64) bool { return false }), ErrCallback)
	ctx, cancel := context.WithCancel(context.Background())
	err := store.WarmUp(ctx, func(done, total uint64) bool { cancel(); return false })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := store.WarmUp(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// panicking is what a call panics with.
func panicking(call func()) (with any) {
	defer func() { with = recover() }()
	call()
	return nil
}

func TestAPanicGoesOnWhereTheCallWasMade(t *testing.T) {
	store := smallStore(t, small(t), StoreBlocks)
	if with := panicking(func() { _ = store.WarmUp(t.Context(), func(done, total uint64) bool { panic("halt") }) }); with != "halt" {
		t.Fatal(with)
	}
	stream, err := OpenStream(nil)
	closing(t, stream, err)
	if with := panicking(func() { _ = stream.Call(func() { panic("stop") }) }); with != "stop" {
		t.Fatal(with)
	}
	must(store.Info()) // nothing is held by what was left so
}

func TestCompletionsComeInTheirOrder(t *testing.T) {
	for _, numWorkers := range []uint32{0, 2} {
		stream, err := OpenStream(&StreamConfig{NumWorkers: numWorkers})
		closing(t, stream, err)
		var lock sync.Mutex
		var order []int
		for i := range times(50, 3) {
			ok(t, stream.Call(func() {
				lock.Lock()
				defer lock.Unlock()
				must(stream.Record())
				order = append(order, i)
			}))
		}
		ok(t, stream.Wait(t.Context(), PointAll))
		for i, at := range order {
			if i != at {
				t.Fatal(order)
			}
		}
		if len(order) != times(50, 3) {
			t.Fatal(len(order))
		}
		refused(t, stream.Call(nil), ErrInvalidArgument)
	}
}

func TestAStreamFollowsAnother(t *testing.T) {
	first, goOn := held(t)
	second := workers(t)
	point := must(first.Record())
	ok(t, second.Follow(first, point))
	behind := must(second.Record())
	if must(second.Passed(behind)) {
		t.Fatal("it has not waited")
	}
	goOn()
	ok(t, second.Wait(t.Context(), behind))
	if fd := must(second.FD()); fd <= 0 {
		t.Fatal(fd)
	}
}

func TestATicketIsRetiredBehindItsWork(t *testing.T) {
	cache := small(t)
	stream, goOn := held(t)
	ticket := must(cache.OpenTicket())
	ok(t, stream.RecordTicket(cache, ticket))
	must(stream.Poll())
	if must(cache.ReadTicket(ticket)) != TicketOpen {
		t.Fatal("retired before its work was done")
	}
	goOn()
	ok(t, stream.Wait(t.Context(), PointAll))
	if must(cache.ReadTicket(ticket)) != TicketPassed {
		t.Fatal("not retired")
	}
}

// TestLogLinesCome: from any call, also those that never call back into Go.
func TestLogLinesCome(t *testing.T) {
	lines := make(chan string, 64)
	ok(t, SetLog(func(level LogLevel, message string) { lines <- message }, LogInfo))
	cache, err := Open(&Config{NumBlocks: 4})
	closing(t, cache, err)
	ok(t, SetLog(nil, LogInfo))
	select {
	case line := <-lines:
		if !strings.Contains(line, "cache") {
			t.Fatal(line)
		}
	case <-time.After(time.Minute):
		t.Fatal("no line came")
	}
	refused(t, SetLog(nil, 99), ErrInvalidArgument)
}

func TestATooSlowLogIsToldWhatItMissed(t *testing.T) {
	gate, lines := make(chan struct{}), make(chan string, 65536)
	ok(t, SetLog(func(level LogLevel, message string) { <-gate; lines <- message }, LogInfo))
	const opened = 4000
	for range times(opened, 1) {
		ok(t, must(Open(&Config{NumBlocks: 4})).Close())
	}
	close(gate)
	missed, deadline := false, time.Now().Add(time.Minute)
	for !missed && !tortured && time.Now().Before(deadline) {
		ok(t, must(Open(&Config{NumBlocks: 4})).Close()) // room again: the next line tells
		select {
		case line := <-lines:
			missed = strings.Contains(line, "were lost")
		case <-time.After(time.Millisecond):
		}
	}
	ok(t, SetLog(nil, LogInfo))
	if !missed && !tortured {
		t.Fatal("nobody told that lines were lost")
	}
}
