// memory.go: a tracker: who has how much memory of which device, and for what.
package arenakv

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Purpose is what memory is for.
type Purpose uint32

// The purposes of arenakv/memory.h.
const (
	PurposeWeights     Purpose = C.AKV_PURPOSE_WEIGHTS
	PurposeKVCache     Purpose = C.AKV_PURPOSE_KV_CACHE
	PurposeActivations Purpose = C.AKV_PURPOSE_ACTIVATIONS
	PurposeMetadata    Purpose = C.AKV_PURPOSE_METADATA
	PurposeSwap        Purpose = C.AKV_PURPOSE_SWAP
	PurposeOther       Purpose = C.AKV_PURPOSE_OTHER
)

// MaxTrackedDevices: devices are numbered below it.
const MaxTrackedDevices = C.AKV_MAX_TRACKED_DEVICES

// MemoryRecord is one allocation that a tracker knows of; 0 is none.
type MemoryRecord uint64

// Allocation is something to record.
type Allocation struct {
	Device  uint32
	Purpose Purpose
	Bytes   uint64
}

// Tracker counts what it is told, and allocates nothing of it.
type Tracker struct{ object }

func (t *Tracker) enter() *C.akv_tracker {
	hold()
	if t == nil {
		return nil
	}
	handle := t.handle
	collect()
	return *(**C.akv_tracker)(unsafe.Pointer(&handle))
}

func (t *Tracker) leave() {
	release()
	runtime.KeepAlive(t)
}

// OpenTracker makes a tracker for so many allocations at once (0: 4096). Close it.
func OpenTracker(maxRecords uint32) (*Tracker, error) {
	config := C.akv_tracker_config{struct_size: C.sizeof_akv_tracker_config, max_records: C.uint32_t(maxRecords)}
	hold()
	defer release()
	var handle *C.akv_tracker
	if err := check(C.akv_tracker_create(&config, &handle)); err != nil {
		return nil, err
	}
	tracker := new(Tracker)
	watch(tracker, &tracker.object, net{handle: *(*uintptr)(unsafe.Pointer(&handle)), destroy: destroyTracker})
	return tracker, nil
}

func destroyTracker(handle uintptr) error {
	return check(C.akv_tracker_destroy(*(**C.akv_tracker)(unsafe.Pointer(&handle))))
}

// Close ends the tracker with the records it still has. A page pool or a store that records here makes it ErrBusy.
func (t *Tracker) Close() error {
	if t == nil {
		return nil
	}
	return t.close()
}

// Record records allocations, all or none: before you make them, so that a limit can refuse. records is as long.
func (t *Tracker) Record(allocations []Allocation, records []MemoryRecord) error {
	if len(allocations) != len(records) {
		return refuse(ErrInvalidArgument, "%d allocations, room for %d records", len(allocations), len(records))
	}
	if err := fits(len(allocations)); err != nil {
		return err
	}
	tracker := t.enter()
	defer t.leave()
	return check(C.akv_tracker_record(tracker, (*C.akv_allocation)(unsafe.Pointer(unsafe.SliceData(allocations))),
		C.uint32_t(unsafe.Sizeof(Allocation{})), C.uint32_t(len(allocations)),
		(*C.akv_memory_record)(unsafe.SliceData(records))))
}

// Forget: they were freed, all or none, each once.
func (t *Tracker) Forget(records []MemoryRecord) error {
	if err := fits(len(records)); err != nil {
		return err
	}
	tracker := t.enter()
	defer t.leave()
	return check(C.akv_tracker_forget(tracker, (*C.akv_memory_record)(unsafe.SliceData(records)), C.uint32_t(len(records))))
}

// SetLimit: from now on at most so many bytes are recorded on this device; 0: no limit.
func (t *Tracker) SetLimit(device uint32, bytes uint64) error {
	tracker := t.enter()
	defer t.leave()
	return check(C.akv_tracker_set_limit(tracker, C.uint32_t(device), C.uint64_t(bytes)))
}

// MemoryTotals are the sums of one device and one purpose.
type MemoryTotals struct {
	structSize  uint32
	Records     uint32
	Bytes       uint64
	PeakBytes   uint64
	Allocations uint64
	Frees       uint64
	LimitBytes  uint64
	Refused     uint64
}

// Totals are the sums of one device and one purpose; Unset stands for all of them.
func (t *Tracker) Totals(device uint32, purpose Purpose) (MemoryTotals, error) {
	totals := MemoryTotals{structSize: uint32(unsafe.Sizeof(MemoryTotals{}))}
	tracker := t.enter()
	defer t.leave()
	err := check(C.akv_tracker_read_totals(tracker, C.uint32_t(device), C.uint32_t(purpose),
		(*C.akv_memory_totals)(unsafe.Pointer(&totals))))
	return totals, err
}
