// cside.go: C that benchmarks and tests of the package compare with: the decode loop, and a child of fork(). It takes
// handles as numbers, so that it knows nothing of the package.
package cside

// #cgo pkg-config: arenakv
// #cgo CFLAGS: -std=c11 -D_POSIX_C_SOURCE=200809L
// #include "cside.h"
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// Decode does so many decode steps in C, and tells how long they took; 0 when a call failed. rows are akv_row_state.
func Decode(cache uintptr, sequences []uint64, sampled []int32, slots []int64, table []int32, rows unsafe.Pointer,
	width, steps uint32) time.Duration {
	defer runtime.KeepAlive(sequences)
	return time.Duration(C.cside_decode(*(**C.akv_cache)(unsafe.Pointer(&cache)),
		(*C.akv_sequence)(unsafe.SliceData(sequences)), C.uint32_t(len(sequences)), (*C.int32_t)(unsafe.SliceData(sampled)),
		(*C.int64_t)(unsafe.SliceData(slots)), (*C.int32_t)(unsafe.SliceData(table)), (*C.akv_row_state)(rows),
		C.uint32_t(width), C.uint32_t(steps)))
}

// Child forks, and has the child call the cache: 0 when every call said FORKED, and the child's destruction was fine.
func Child(cache uintptr, sequence uint64) int {
	return int(C.cside_child(*(**C.akv_cache)(unsafe.Pointer(&cache)), C.akv_sequence(sequence)))
}
