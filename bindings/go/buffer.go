// buffer.go: memory that is not Go's: what work that is queued reads and writes, and what stores and page pools of the
// caller's memory lie in. It knows the registry of all buffers, so that a slice can be told to lie in one.
package arenakv

import (
	"runtime"
	"slices"
	"sync"
	"syscall"
	"unsafe"
	"weak"
)

// Buffer is memory outside of Go's heap: page-aligned, zero at first. Work that is queued on a stream, a store and a page
// pool may use it beyond a call; Close is ErrBusy until they have finished.
type Buffer struct {
	memory  []byte
	mapped  bool
	cleanup runtime.Cleanup
}

// lent is what the registry knows of a buffer; it keeps none alive.
type lent struct {
	first, end uintptr
	memory     []byte
	mapped     bool // by NewBuffer
	buffer     weak.Pointer[Buffer]
	users      int // under the registry's lock
}

var registry struct {
	sync.Mutex
	all []*lent // by address; they don't overlap
}

// NewBuffer maps so many bytes. Close it.
func NewBuffer(bytes int) (*Buffer, error) {
	if bytes <= 0 {
		return nil, refuse(ErrInvalidArgument, "a buffer of %d bytes", bytes)
	}
	memory, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, refuse(ErrOutOfMemory, "a buffer of %d bytes: %v", bytes, err)
	}
	buffer, err := register(memory, true)
	if err != nil {
		_ = syscall.Munmap(memory)
	}
	return buffer, err
}

// WrapBuffer makes a buffer of memory that you have from elsewhere: pinned by CUDA, shared with another process. You vouch
// that it is not Go's, and that it stays until the buffer is closed; Close leaves it alone.
func WrapBuffer(memory []byte) (*Buffer, error) {
	if len(memory) == 0 {
		return nil, refuse(ErrInvalidArgument, "a buffer of no bytes")
	}
	return register(memory, false)
}

func register(memory []byte, mapped bool) (*Buffer, error) {
	buffer := &Buffer{memory: memory, mapped: mapped}
	first := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	entry := &lent{first: first, end: first + uintptr(len(memory)), memory: memory, mapped: mapped, buffer: weak.Make(buffer)}
	registry.Lock()
	defer registry.Unlock()
	registry.all = slices.DeleteFunc(registry.all, (*lent).forgotten)
	place := after(first)
	if place > 0 && registry.all[place-1].end > first || place < len(registry.all) && registry.all[place].first < entry.end {
		return nil, refuse(ErrInvalidArgument, "these %d bytes lie in another buffer", len(memory))
	}
	registry.all = slices.Insert(registry.all, place, entry)
	if mapped {
		buffer.cleanup = runtime.AddCleanup(buffer, unmap, entry)
	}
	return buffer, nil
}

// forgotten: memory of the caller's whose buffer nobody has any more.
func (l *lent) forgotten() bool { return !l.mapped && l.buffer.Value() == nil }

// unmap is the net under a forgotten Close: nobody has the buffer any more, so nobody uses it.
func unmap(entry *lent) {
	registry.Lock()
	defer registry.Unlock()
	registry.all = slices.DeleteFunc(registry.all, func(other *lent) bool { return other == entry })
	_ = syscall.Munmap(entry.memory)
}

// after is the place of the first entry that begins behind an address.
func after(address uintptr) int {
	low, high := 0, len(registry.all)
	for low < high {
		if middle := (low + high) / 2; registry.all[middle].first <= address {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// find is the buffer's entry; nil when it was closed. Its caller has the registry's lock.
func find(memory []byte) *lent {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	place := after(first)
	if place == 0 || registry.all[place-1].end < first+uintptr(len(memory)) {
		return nil
	}
	return registry.all[place-1]
}

// Bytes is the memory of the buffer. It dangles when the buffer is closed.
func (b *Buffer) Bytes() []byte { return b.memory }

// Close gives the memory back. ErrBusy while queued work, a store or a page pool uses it: poll the stream or wait for it,
// close the store or pool. A second one is ErrBadHandle.
func (b *Buffer) Close() error {
	if b == nil {
		return nil
	}
	defer runtime.KeepAlive(b)
	registry.Lock()
	entry := find(b.memory)
	if entry == nil || entry.buffer.Value() != b {
		registry.Unlock()
		return refuse(ErrBadHandle, "this buffer was closed")
	}
	if entry.users > 0 {
		registry.Unlock()
		return refuse(ErrBusy, "%d users of this buffer have not finished: wait for the stream, close the store", entry.users)
	}
	registry.all = slices.DeleteFunc(registry.all, func(other *lent) bool { return other == entry })
	registry.Unlock()
	if !b.mapped {
		return nil
	}
	b.cleanup.Stop()
	return syscall.Munmap(b.memory)
}

// borrow finds the buffer that a slice lies in, and keeps it from being closed until giveBack.
func borrow(memory []byte) *Buffer {
	registry.Lock()
	defer registry.Unlock()
	entry := find(memory)
	if entry == nil {
		return nil
	}
	buffer := entry.buffer.Value()
	if buffer != nil {
		entry.users++
	}
	return buffer
}

func (b *Buffer) giveBack() {
	registry.Lock()
	defer registry.Unlock()
	if entry := find(b.memory); entry != nil {
		entry.users--
	}
}

// BytesOf is the memory of a slice of numbers, as bytes.
func BytesOf[T any](elements []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(elements))), len(elements)*int(unsafe.Sizeof(one)))
}

// Elements is count numbers in a buffer, from byte offset on.
func Elements[T int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64](
	buffer *Buffer, offset, count int) ([]T, error) {
	var one T
	size := int(unsafe.Sizeof(one))
	if offset < 0 || count < 0 || offset%size != 0 || offset > len(buffer.memory) || count > (len(buffer.memory)-offset)/size {
		return nil, refuse(ErrOutOfRange, "%d elements of %d bytes from byte %d on, of %d", count, size, offset, len(buffer.memory))
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(buffer.memory[offset:]))), count), nil
}
