// callback.go: where the library calls Go: progress of a warm-up, completion on a stream. What is handed to C is a number
// (runtime/cgo.Handle). A panic does not go through C: it is kept, and goes on where the call was made.
package arenakv

// #include "shim.h"
import "C"

import (
	"context"
	"runtime/cgo"
)

// progressCall is a warm-up in progress.
type progressCall struct {
	context  context.Context
	function func(done, total uint64) bool
	panicked any
}

//export arenakvProgress
func arenakvProgress(handle C.uintptr_t, done, total C.uint64_t) (answer C.int32_t) {
	call := cgo.Handle(handle).Value().(*progressCall)
	defer func() {
		if call.panicked = recover(); call.panicked != nil {
			answer = 1
		}
	}()
	if call.context.Err() != nil || call.function != nil && !call.function(uint64(done), uint64(total)) {
		return 1
	}
	return 0
}

// WarmUp touches all memory of the store now, so that no later write meets a page fault. progress may be nil; when it
// returns false the warm-up ends with ErrCallback, and when the context ends, with the context's error. What was touched
// stays so.
func (s *Store) WarmUp(ctx context.Context, progress func(done, total uint64) bool) error {
	call := &progressCall{context: ctx, function: progress}
	handle := cgo.NewHandle(call)
	defer handle.Delete()
	if err := ctx.Err(); err != nil {
		return err
	}
	store := s.enter()
	defer s.leave()
	err := check(C.go_store_warm_up(store, C.uintptr_t(handle)))
	if call.panicked != nil {
		panic(call.panicked)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// completion is a function that waits in a stream's queue.
type completion struct {
	function func()
	inCall   bool // on a stream without workers it is called inside Stream.Call
	panicked any
}

//export arenakvComplete
func arenakvComplete(handle C.uintptr_t) {
	call := cgo.Handle(handle).Value().(*completion)
	cgo.Handle(handle).Delete()
	defer func() {
		call.panicked = recover()
		if call.panicked != nil && !call.inCall {
			panicked := call.panicked
			go panic(panicked) // nobody waits for it: as in any goroutine, it ends the program
		}
	}()
	call.function()
}

// Call queues a call of function: it is made by a thread of the stream when everything queued before has been done, and
// before anything behind it starts. On a stream without workers it is made at once. It may call the library, and queue
// more work here, but not wait for what lies behind it.
func (s *Stream) Call(function func()) error {
	if function == nil {
		return refuse(ErrInvalidArgument, "no function to call")
	}
	call := &completion{function: function, inCall: !s.queues()}
	handle := cgo.NewHandle(call)
	stream := s.enter()
	defer s.leave()
	err := check(C.go_stream_call(stream, C.uintptr_t(handle)))
	if err != nil {
		handle.Delete()
		return err
	}
	if call.inCall && call.panicked != nil {
		panic(call.panicked)
	}
	return nil
}
