// stream.go: an order of work on a device, and what queued work still uses: that is kept until the stream has passed it.
package arenakv

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// StreamConfig is what a stream is made of. Zero means default: no workers, and the work is done inside the calls.
type StreamConfig struct {
	structSize uint32
	Flags      uint32
	Device     uint32
	NumWorkers uint32 // threads that do the work, 0 to 64
	QueueItems uint32 // 1024
	_          uint32
	QueueBytes uint64 // 4 MiB
}

// Point is a place in a stream's order: everything queued before it.
type Point uint64

// PointAll is all that is queued now.
const PointAll Point = C.AKV_POINT_ALL

// Stream is an order of work: what is queued first is done first. Where a stream is an argument it may be nil: the work is
// then done inside the call.
type Stream struct {
	object
	queue *queue
}

// queue is what a stream's queued work uses. It outlives a stream that was forgotten, until the work is done.
type queue struct {
	handle  uintptr
	workers uint32
	lock    sync.Mutex
	uses    []use // in the order of their points
}

type use struct {
	point Point
	thing any
}

func (s *Stream) enter() *C.akv_stream {
	hold()
	if s == nil {
		return nil
	}
	handle := s.handle
	collect()
	return *(**C.akv_stream)(unsafe.Pointer(&handle))
}

func (s *Stream) leave() {
	release()
	runtime.KeepAlive(s)
}

// queues tells whether work is queued here, and not done inside the calls.
func (s *Stream) queues() bool { return s != nil && s.queue != nil && s.queue.workers > 0 }

// OpenStream makes a stream; config may be nil. Close it.
func OpenStream(config *StreamConfig) (*Stream, error) {
	var chosen StreamConfig
	if config != nil {
		chosen = *config
	}
	chosen.structSize = uint32(unsafe.Sizeof(chosen))
	hold()
	defer release()
	var handle *C.akv_stream
	if err := check(C.akv_stream_create((*C.akv_stream_config)(unsafe.Pointer(&chosen)), &handle)); err != nil {
		return nil, err
	}
	stream := &Stream{queue: &queue{handle: *(*uintptr)(unsafe.Pointer(&handle)), workers: chosen.NumWorkers}}
	stream.handle, stream.net = stream.queue.handle, net{handle: stream.queue.handle, destroy: destroyStream}
	stream.cleanup = runtime.AddCleanup(stream, func(queue *queue) { go queue.end() }, stream.queue)
	return stream, nil
}

func streamOf(handle uintptr) *C.akv_stream { return *(**C.akv_stream)(unsafe.Pointer(&handle)) }

func destroyStream(handle uintptr) error { return check(C.akv_stream_destroy(streamOf(handle))) }

// end is the net under a forgotten stream: its work is waited for, then it goes. Work that waits for more than that (a
// ticket whose sequence is inside a call) keeps it.
func (q *queue) end() {
	for {
		hold()
		err := check(C.akv_stream_wait(streamOf(q.handle), C.AKV_POINT_ALL, C.uint64_t(time.Second)))
		release()
		if !errors.Is(err, ErrTimeout) {
			break
		}
	}
	hold()
	defer release()
	if destroyStream(q.handle) == nil {
		q.lock.Lock()
		defer q.lock.Unlock()
		q.giveBack(len(q.uses))
	}
}

// Close ends the stream when its work is done: until then, and while tickets wait for Poll, it is ErrBusy.
func (s *Stream) Close() error {
	if s == nil {
		return nil
	}
	if err := s.close(); err != nil {
		return err
	}
	s.queue.lock.Lock()
	defer s.queue.lock.Unlock()
	s.queue.giveBack(len(s.queue.uses))
	return nil
}

// giveBack lets go of the first count uses. Its caller has the lock.
func (q *queue) giveBack(count int) {
	for i := range q.uses[:count] {
		if buffer, ok := q.uses[i].thing.(*Buffer); ok {
			buffer.giveBack()
		}
	}
	left := copy(q.uses, q.uses[count:])
	clear(q.uses[left:])
	q.uses = q.uses[:left]
}

// prune lets go of what the stream has passed. Its caller has the lock, and holds the thread.
func (q *queue) prune() {
	passed, known := 0, Point(0)
	for ; passed < len(q.uses); passed++ {
		if point := q.uses[passed].point; point != known {
			var done C.uint32_t
			if C.akv_stream_read(streamOf(q.handle), C.uint64_t(point), &done) != C.AKV_OK || done == 0 {
				break
			}
			known = point
		}
	}
	q.giveBack(passed)
}

func (s *Stream) settle() {
	if s.queues() {
		s.queue.lock.Lock()
		defer s.queue.lock.Unlock()
		s.queue.prune()
	}
}

// Record is the point behind everything queued so far.
func (s *Stream) Record() (Point, error) {
	stream := s.enter()
	defer s.leave()
	var point C.uint64_t
	err := check(C.akv_stream_record(stream, &point))
	return Point(point), err
}

// Passed tells whether the stream has passed a point.
func (s *Stream) Passed(point Point) (bool, error) {
	stream := s.enter()
	defer s.leave()
	var passed C.uint32_t
	err := check(C.akv_stream_read(stream, C.uint64_t(point), &passed))
	s.settle()
	return passed != 0, err
}

// Follow: what is queued here from now on waits until other has passed the point.
func (s *Stream) Follow(other *Stream, point Point) error {
	stream := s.enter()
	defer s.leave()
	second := other.enter()
	defer other.leave()
	return check(C.akv_stream_follow(stream, second, C.uint64_t(point)))
}

// FD is a file descriptor that is readable while the stream has passed something since it was last read: for poll and
// epoll beside sockets. Read 8 bytes from it, then Poll. It is closed with the stream.
func (s *Stream) FD() (int, error) {
	stream := s.enter()
	defer s.leave()
	var fd C.int32_t
	err := check(C.akv_stream_read_fd(stream, &fd))
	return int(fd), err
}

// RecordTicket retires the ticket when the stream has passed all that is queued now; Poll and Wait do it.
func (s *Stream) RecordTicket(cache *Cache, ticket Ticket) error {
	stream := s.enter()
	defer s.leave()
	of := cache.enter()
	defer cache.leave()
	return check(C.akv_stream_record_ticket(stream, of, C.akv_ticket(ticket)))
}

// Poll does what waits for points that have been passed: retires tickets, finishes plans that were run with RunFinish. It
// tells how many, with ErrVerifyFailed too.
func (s *Stream) Poll() (uint32, error) {
	stream := s.enter()
	defer s.leave()
	var done C.uint32_t
	err := check(C.akv_stream_poll(stream, &done))
	s.settle()
	return uint32(done), err
}

// How long a wait stays inside C before it looks whether its context has ended.
const waitSlice = 20 * time.Millisecond

// Wait waits until the stream has passed the point, then does as Poll; when the context ends first, its error is returned,
// and nothing was given up.
func (s *Stream) Wait(ctx context.Context, point Point) error {
	if point == PointAll { // of now, and not of the moment when a slice ends
		now, err := s.Record()
		if err != nil {
			return err
		}
		point = now
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.wait(point); !errors.Is(err, ErrTimeout) {
			return err
		}
	}
}

func (s *Stream) wait(point Point) error {
	stream := s.enter()
	defer s.leave()
	err := check(C.akv_stream_wait(stream, C.uint64_t(point), C.uint64_t(waitSlice)))
	s.settle()
	return err
}
