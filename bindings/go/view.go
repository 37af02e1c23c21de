// view.go: bytes described as a strided tensor. Slicing and reshaping touch none of them.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// MaxDimensions of a view.
const MaxDimensions = C.AKV_MAX_DIMENSIONS

// ViewReadOnly: others read these bytes, do not write.
const ViewReadOnly uint32 = C.AKV_VIEW_READ_ONLY

// View is where bytes are, of what type, with which shape and strides (in bytes). It is valid as long as what it was read
// from says the same epoch, and dangles when that was closed: Store.CheckView tells.
type View struct {
	structSize    uint32
	Flags         uint32 // ViewReadOnly
	DType         DType
	Device        uint32
	NumDimensions uint32
	_             uint32
	Data          unsafe.Pointer // never memory of Go's
	Epoch         uint64
	Shape         [MaxDimensions]int64
	Strides       [MaxDimensions]int64
}

// c is the view for C; one that was put together by hand gets its size here.
func (v *View) c() *C.akv_view {
	v.structSize = uint32(unsafe.Sizeof(View{}))
	return (*C.akv_view)(unsafe.Pointer(v))
}

// Slice is the part [first, first + count) of one dimension.
func (v View) Slice(dimension uint32, first, count uint64) (View, error) {
	var part View
	hold()
	defer release()
	err := check(C.akv_view_slice(v.c(), C.uint32_t(dimension), C.uint64_t(first), C.uint64_t(count), part.c()))
	return part, err
}

// Reshape is the same elements in the same order under another shape; one size may be -1: whatever is left.
func (v View) Reshape(shape ...int64) (View, error) {
	var other View
	if err := fits(len(shape)); err != nil {
		return View{}, err
	}
	hold()
	defer release()
	err := check(C.akv_view_reshape(v.c(), (*C.int64_t)(unsafe.SliceData(shape)), C.uint32_t(len(shape)), other.c()))
	return other, err
}

// Permute is the same elements with the dimensions in another order: new dimension i is old dimension order[i].
func (v View) Permute(order ...uint32) (View, error) {
	var other View
	if len(order) != int(v.NumDimensions) {
		return View{}, refuse(ErrInvalidArgument, "an order of %d dimensions, of %d", len(order), v.NumDimensions)
	}
	hold()
	defer release()
	err := check(C.akv_view_permute(v.c(), (*C.uint32_t)(unsafe.SliceData(order)), other.c()))
	return other, err
}

// Measure tells whether the elements are one packed run of bytes, and how many bytes they are.
func (v View) Measure() (contiguous bool, bytes uint64, err error) {
	var packed C.uint32_t
	var size C.uint64_t
	hold()
	defer release()
	err = check(C.akv_view_measure(v.c(), &packed, &size))
	return packed != 0, uint64(size), err
}

// Bytes are the bytes of a packed view, where they lie; ErrNotContiguous if it is not.
func (v View) Bytes() ([]byte, error) {
	contiguous, bytes, err := v.Measure()
	if err != nil {
		return nil, err
	}
	if !contiguous {
		return nil, refuse(ErrNotContiguous, "the elements of this view are not one run of bytes")
	}
	return unsafe.Slice((*byte)(v.Data), bytes), nil
}
