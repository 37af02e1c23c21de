// image.go: one saved sequence as bytes: how it is made and loaded, checked, and gets into a file and back.
package arenakv

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"strings"
	"unsafe"
)

// LabelBytes of a Label.
const LabelBytes = C.AKV_LABEL_BYTES

// Label is yours, and stands for all that made some K/V: weights, adapter, rope, quantization ... (a digest of them).
type Label [LabelBytes]byte

// ImageInfo is what an image says of itself.
type ImageInfo struct {
	structSize    uint32
	Version       uint32
	NumTokens     uint32
	KnownTokens   uint32
	ImageBytes    uint64
	PayloadOffset uint64
	PayloadBytes  uint64
	Label         Label
}

// ImageBytes is what CopySave needs for the first numTokens tokens; 0: all that are committed.
func (s Sequence) ImageBytes(numTokens uint32) (uint64, error) {
	cache := s.cache.enter()
	defer s.cache.leave()
	var bytes C.uint64_t
	err := check(C.akv_image_bytes(cache, C.akv_sequence(s.ID), C.uint32_t(numTokens), &bytes))
	return uint64(bytes), err
}

// SaveOrdered: you vouch that whatever writes these K/V comes before this on the stream.
const SaveOrdered uint32 = C.AKV_SAVE_ORDERED

// SaveOptions are of one CopySave. Zero means default.
type SaveOptions struct {
	Flags     uint32 // SaveOrdered
	NumTokens uint32 // 0: all that are committed
	Owner     uint64 // of the lease that is held while the work is queued
	Label     Label
}

// CopySave makes an image of the sequence's committed tokens in buffer, and tells its size, with ErrBufferTooSmall too.
// stores are all shards of the cache's blocks; options may be nil.
func (s Sequence) CopySave(stores []*Store, options *SaveOptions, buffer []byte, stream *Stream) (uint64, error) {
	var chosen SaveOptions
	if options != nil {
		chosen = *options
	}
	cache := s.cache.enter()
	defer s.cache.leave()
	order := stream.enter()
	defer stream.leave()
	var list storeList
	if err := list.of(stores); err != nil {
		return 0, err
	}
	var loan loan
	loan.begin(stream)
	loan.keep(s.cache)
	list.keep(&loan)
	target := lend(&loan, buffer)
	var bytes C.uint64_t
	err := loan.err
	if err == nil {
		err = check(C.go_copy_save(cache, C.akv_sequence(s.ID), &list.handles[0], list.count, C.uint32_t(chosen.Flags),
			C.uint32_t(chosen.NumTokens), C.uint64_t(chosen.Owner), (*C.uint8_t)(&chosen.Label[0]), (*C.uint8_t)(target),
			C.uint64_t(len(buffer)), &bytes, order))
	}
	return uint64(bytes), loan.end(err, false)
}

// LoadAnyLabel: don't compare labels.
const LoadAnyLabel uint32 = C.AKV_LOAD_ANY_LABEL

// LoadOptions are of one CopyLoad. Zero means default.
type LoadOptions struct {
	Flags    uint32 // LoadAnyLabel
	Domain   uint64 // the trust domain that the sequence becomes one of
	Label    Label  // that must be the image's
	Sequence *SequenceOptions
}

// CopyLoad makes a sequence out of an image, all of which is checked before anything changes. options may be nil.
func (c *Cache) CopyLoad(image []byte, options *LoadOptions, stores []*Store, stream *Stream) (Created, error) {
	var chosen LoadOptions
	if options != nil {
		chosen = *options
	}
	cache := c.enter()
	defer c.leave()
	order := stream.enter()
	defer stream.leave()
	var list storeList
	if err := list.of(stores); err != nil {
		return Created{}, err
	}
	of := chosen.Sequence.sized()
	created := C.akv_created{struct_size: C.sizeof_akv_created}
	var loan loan
	loan.begin(stream)
	loan.keep(c)
	list.keep(&loan)
	source := lend(&loan, image)
	err := loan.err
	if err == nil {
		err = check(C.go_copy_load(cache, (*C.uint8_t)(source), C.uint64_t(len(image)), C.uint32_t(chosen.Flags),
			C.uint64_t(chosen.Domain), (*C.uint8_t)(&chosen.Label[0]), (*C.akv_sequence_options)(unsafe.Pointer(&of)),
			&list.handles[0], list.count, &created, order))
	}
	if err := loan.end(err, false); err != nil {
		return Created{}, err
	}
	return c.created(&created), nil
}

// CheckImage checks an image, every byte of it.
func CheckImage(image []byte) (ImageInfo, error) {
	info := ImageInfo{structSize: uint32(unsafe.Sizeof(ImageInfo{}))}
	hold()
	defer release()
	err := check(C.go_image_check((*C.uint8_t)(unsafe.SliceData(image)), C.uint64_t(len(image)),
		(*C.akv_image_info)(unsafe.Pointer(&info))))
	return info, err
}

// ImageGroup is the layer group that an image is of: to make a cache for it.
func ImageGroup(image []byte) (Group, error) {
	hold()
	defer release()
	return readGroup(func(group *C.akv_layer_group, planes *C.akv_plane, capacity C.uint32_t) C.akv_status {
		return C.go_image_read_group((*C.uint8_t)(unsafe.SliceData(image)), C.uint64_t(len(image)), group,
			planes, capacity)
	})
}

// ReadImageTokens fills tokens with the ids from position first on.
func ReadImageTokens(image []byte, first uint32, tokens []int32) error {
	if err := fits(len(tokens)); err != nil {
		return err
	}
	hold()
	defer release()
	return check(C.go_image_read_tokens((*C.uint8_t)(unsafe.SliceData(image)), C.uint64_t(len(image)), C.uint32_t(first),
		C.uint32_t(len(tokens)), (*C.int32_t)(unsafe.SliceData(tokens))))
}

// withPath hands a path to a call. One with a zero byte in it is no path.
func withPath(path string, call func(*C.char) C.akv_status) error {
	if strings.IndexByte(path, 0) >= 0 {
		return refuse(ErrInvalidArgument, "a path with a zero byte in it")
	}
	text := C.CString(path)
	defer C.free(unsafe.Pointer(text))
	hold()
	defer release()
	return check(call(text))
}

// WriteImageFile puts an image, which is checked first, into a file: at every moment the old one or the new one is there.
func WriteImageFile(path string, image []byte) error {
	return withPath(path, func(text *C.char) C.akv_status {
		return C.go_image_write_file(text, (*C.uint8_t)(unsafe.SliceData(image)), C.uint64_t(len(image)))
	})
}

// ReadImageFile reads an image out of a file. Its header is checked; CopyLoad and CheckImage check all.
func ReadImageFile(path string) ([]byte, error) {
	return readAll(func(buffer []byte) (int, error) {
		var bytes C.uint64_t
		err := withPath(path, func(text *C.char) C.akv_status {
			return C.go_image_read_file(text, (*C.uint8_t)(unsafe.SliceData(buffer)), C.uint64_t(len(buffer)), &bytes)
		})
		return int(bytes), err
	})
}
