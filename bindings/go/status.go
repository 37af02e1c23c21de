// status.go: what a call answers, as errors: one value for each status, and Error with the message and numbers of one
// failure. It knows no object.
package arenakv

// #cgo pkg-config: arenakv
// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"strings"
	"unsafe"
)

// Status is what a call answered. As an error it is what errors.Is compares with.
type Status int32

// The statuses of arenakv/status.h.
const (
	OK Status = C.AKV_OK

	ErrInvalidArgument Status = C.AKV_ERROR_INVALID_ARGUMENT
	ErrOutOfRange      Status = C.AKV_ERROR_OUT_OF_RANGE
	ErrBufferTooSmall  Status = C.AKV_ERROR_BUFFER_TOO_SMALL
	ErrUnsupported     Status = C.AKV_ERROR_UNSUPPORTED

	ErrBadHandle Status = C.AKV_ERROR_BAD_HANDLE
	ErrWrongType Status = C.AKV_ERROR_WRONG_TYPE

	ErrBusy          Status = C.AKV_ERROR_BUSY
	ErrPlanOpen      Status = C.AKV_ERROR_PLAN_OPEN
	ErrPlanNeeded    Status = C.AKV_ERROR_PLAN_NEEDED
	ErrNotCommitted  Status = C.AKV_ERROR_NOT_COMMITTED
	ErrContentLost   Status = C.AKV_ERROR_CONTENT_LOST
	ErrAlreadyExists Status = C.AKV_ERROR_ALREADY_EXISTS
	ErrNotFound      Status = C.AKV_ERROR_NOT_FOUND
	ErrSwapped       Status = C.AKV_ERROR_SWAPPED
	ErrNotReady      Status = C.AKV_ERROR_NOT_READY
	ErrNotContiguous Status = C.AKV_ERROR_NOT_CONTIGUOUS

	ErrNoBlocks     Status = C.AKV_ERROR_NO_BLOCKS
	ErrNoSequences  Status = C.AKV_ERROR_NO_SEQUENCES
	ErrNoCapacity   Status = C.AKV_ERROR_NO_CAPACITY
	ErrNoTickets    Status = C.AKV_ERROR_NO_TICKETS
	ErrNoHolds      Status = C.AKV_ERROR_NO_HOLDS
	ErrNoPlans      Status = C.AKV_ERROR_NO_PLANS
	ErrPinBudget    Status = C.AKV_ERROR_PIN_BUDGET
	ErrNoCaches     Status = C.AKV_ERROR_NO_CACHES
	ErrNoSwapBlocks Status = C.AKV_ERROR_NO_SWAP_BLOCKS

	ErrOutOfMemory Status = C.AKV_ERROR_OUT_OF_MEMORY
	ErrCallback    Status = C.AKV_ERROR_CALLBACK
	ErrForked      Status = C.AKV_ERROR_FORKED
	ErrTimeout     Status = C.AKV_ERROR_TIMEOUT
	ErrIO          Status = C.AKV_ERROR_IO

	ErrDamaged Status = C.AKV_ERROR_DAMAGED

	ErrBadImage      Status = C.AKV_ERROR_BAD_IMAGE
	ErrOtherGeometry Status = C.AKV_ERROR_OTHER_GEOMETRY
	ErrVerifyFailed  Status = C.AKV_ERROR_VERIFY_FAILED

	ErrNoPages   Status = C.AKV_ERROR_NO_PAGES
	ErrNoArenas  Status = C.AKV_ERROR_NO_ARENAS
	ErrNoTensors Status = C.AKV_ERROR_NO_TENSORS
	ErrQueueFull Status = C.AKV_ERROR_QUEUE_FULL
	ErrNoObjects Status = C.AKV_ERROR_NO_OBJECTS
)

// String is the name of the status, "AKV_ERROR_NO_BLOCKS".
func (s Status) String() string { return C.GoString(C.akv_status_name(C.akv_status(s))) }

// Error is the status in words: "no blocks".
func (s Status) Error() string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(s.String(), "AKV_ERROR_"), "_", " "))
}

// NoRow is Error.Row where a failure is about no element of a batch.
const NoRow = -1

// Error is one failed call: what it answered, why, and the numbers that a scheduler wants without reading text.
type Error struct {
	Status    Status
	Row       int    // element of the batch that it is about, or NoRow
	Needed    uint64 // blocks for ErrNoBlocks, elements for ErrBufferTooSmall, tokens for ErrNoCapacity ...; else 0
	Available uint64 // in the same unit
	Message   string // the value, the limit, what to do; no token and no domain
}

func (e *Error) Error() string { return fmt.Sprintf("arenakv: %s: %s", e.Status.Error(), e.Message) }

// Unwrap makes errors.Is(err, arenakv.ErrNoBlocks) true.
func (e *Error) Unwrap() error { return e.Status }

// check makes an error of a status. Its caller has not let go of the thread since the call.
func check(status C.akv_status) error {
	if status == C.AKV_OK {
		return nil
	}
	return lastError(status)
}

//go:noinline
func lastError(status C.akv_status) error {
	text := make([]byte, 512)
	length := int(C.akv_last_error((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text))))
	if length >= len(text) {
		text = make([]byte, length+1)
		length = int(C.akv_last_error((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text))))
	}
	failure := &Error{Status: Status(status), Row: NoRow, Message: string(text[:min(length, len(text)-1)])}
	detail := C.akv_error_detail{struct_size: C.sizeof_akv_error_detail}
	if C.akv_last_error_detail(&detail) == C.AKV_OK && detail.status == status {
		failure.Needed, failure.Available = uint64(detail.needed), uint64(detail.available)
		if detail.row != C.AKV_UNSET {
			failure.Row = int(detail.row)
		}
	}
	return failure
}

// refuse is an error that the binding makes itself, before a call.
func refuse(status Status, format string, arguments ...any) error {
	return &Error{Status: status, Row: NoRow, Message: fmt.Sprintf(format, arguments...)}
}

// fits tells whether lengths of slices fit the 32 bits that C has for them: they are refused, never cut off.
func fits(lengths ...int) error {
	for _, length := range lengths {
		if length > math.MaxUint32 {
			return refuse(ErrInvalidArgument, "%d elements, at most %d", length, uint32(math.MaxUint32))
		}
	}
	return nil
}
