// loan.go: what one call of copy or attention uses, and for how long. Where the work is done inside the call, slices are
// pinned until it returns. Where it is queued, they must lie in buffers, and those, with the stores, are kept until the
// stream has passed the work.
package arenakv

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

type loan struct {
	queue *queue // nil: the work is done inside the call
	first int    // of its uses
	pins  runtime.Pinner
	err   error
}

// begin opens the loan. Between it and end the stream's queue is this call's own, so that points grow with the uses.
func (l *loan) begin(stream *Stream) {
	if stream.queues() {
		l.queue = stream.queue
		l.queue.lock.Lock()
		l.queue.prune()
		l.first = len(l.queue.uses)
	}
}

// keep keeps an object from being found by the collector before the work is done.
func (l *loan) keep(thing any) {
	if l.queue != nil {
		l.queue.uses = append(l.queue.uses, use{thing: thing})
	}
}

// at is an address as a number, for structs: what it leads to is pinned, or not Go's.
func at(address unsafe.Pointer) C.uintptr_t { return C.uintptr_t(uintptr(address)) }

// lend is the address of a slice's elements, which stays right until the work is done.
func lend[T any](l *loan, elements []T) unsafe.Pointer {
	if len(elements) == 0 {
		return nil
	}
	if l.queue == nil {
		return pin(&l.pins, elements)
	}
	buffer := borrow(BytesOf(elements))
	if buffer == nil && l.err == nil {
		l.err = refuse(ErrInvalidArgument, "this stream has workers, and data of %d bytes lies in no buffer that is open: "+
			"memory of Go's can't be used behind a call", len(elements)*int(unsafe.Sizeof(elements[0])))
	}
	if buffer != nil {
		l.keep(buffer)
	}
	return unsafe.Pointer(unsafe.SliceData(elements))
}

// pin is the address of a slice's elements, which stays right until the pinner is done.
func pin[T any](pins *runtime.Pinner, elements []T) unsafe.Pointer {
	if len(elements) == 0 {
		return nil
	}
	address := unsafe.Pointer(unsafe.SliceData(elements))
	pins.Pin(address)
	return address
}

// end closes the loan. started: work may have been queued in spite of the error.
func (l *loan) end(err error, started bool) error {
	l.pins.Unpin()
	if l.queue == nil {
		return err
	}
	defer l.queue.lock.Unlock()
	uses := l.queue.uses[l.first:]
	if err == nil || started {
		var point C.uint64_t
		if C.akv_stream_record(streamOf(l.queue.handle), &point) == C.AKV_OK {
			for i := range uses {
				uses[i].point = Point(point)
			}
			return err
		}
	}
	for i := range uses {
		if buffer, ok := uses[i].thing.(*Buffer); ok {
			buffer.giveBack()
		}
	}
	clear(uses)
	l.queue.uses = l.queue.uses[:l.first]
	return err
}

// storeList is stores as C takes them: on the stack, and kept until the call returns.
type storeList struct {
	handles [maxStores]*C.akv_store
	count   C.uint32_t
	stores  []*Store
}

const maxStores = 64

func (l *storeList) of(stores []*Store) error {
	if len(stores) > maxStores {
		return refuse(ErrInvalidArgument, "%d stores, at most %d", len(stores), maxStores)
	}
	l.stores, l.count = stores, C.uint32_t(len(stores))
	for i, store := range stores {
		if store != nil {
			handle := store.handle
			l.handles[i] = *(**C.akv_store)(unsafe.Pointer(&handle))
		}
	}
	collect()
	return nil
}

// keep keeps them as long as the work lasts.
func (l *storeList) keep(loan *loan) {
	for _, store := range l.stores {
		loan.keep(store)
	}
}
