// image.go: one saved sequence as bytes: how it is made and loaded, checked, and gets into a file and back.
package arenakv

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"runtime"
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
	var pins runtime.Pinner
	defer pins.Unpin()
	made := C.akv_save_options{struct_size: C.sizeof_akv_save_options, flags: C.uint32_t(chosen.Flags),
		num_tokens: C.uint32_t(chosen.NumTokens), owner: C.uint64_t(chosen.Owner),
		label: (*C.uint8_t)(pin(&pins, chosen.Label[:]))}
	var loan loan
	loan.begin(stream)
	loan.keep(s.cache)
	list.keep(&loan)
	target := lend(&loan, buffer)
	var bytes C.uint64_t
	err := loan.err
	if err == nil {
		err = check(C.akv_copy_save(cache, C.akv_sequence(s.ID), &list.handles[0], list.count, &made, target,
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
	var pins runtime.Pinner
	defer pins.Unpin()
	of := []SequenceOptions{chosen.Sequence.sized()}
	taken := C.akv_load_options{struct_size: C.sizeof_akv_load_options, flags: C.uint32_t(chosen.Flags),
		domain: C.uint64_t(chosen.Domain), label: (*C.uint8_t)(pin(&pins, chosen.Label[:])),
		sequence: (*C.akv_sequence_options)(pin(&pins, of))}
	created := C.akv_created{struct_size: C.sizeof_akv_created}
	var loan loan
	loan.begin(stream)
	loan.keep(c)
	list.keep(&loan)
	source := lend(&loan, image)
	err := loan.err
	if err == nil {
		err = check(C.akv_copy_load(cache, source, C.uint64_t(len(image)), &taken, &list.handles[0], list.count, &created,
			order))
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
	err := check(C.akv_image_check(unsafe.Pointer(unsafe.SliceData(image)), C.uint64_t(len(image)),
		(*C.akv_image_info)(unsafe.Pointer(&info))))
	return info, err
}

// ImageGroup is the layer group that an image is of: to make a cache for it.
func ImageGroup(image []byte) (Group, error) {
	hold()
	defer release()
	return readGroup(func(group *C.akv_layer_group, planes *C.akv_plane, capacity C.uint32_t) C.akv_status {
		return C.akv_image_read_group(unsafe.Pointer(unsafe.SliceData(image)), C.uint64_t(len(image)), group,
			C.sizeof_akv_layer_group, planes, capacity)
	})
}

// ReadImageTokens fills tokens with the ids from position first on.
func ReadImageTokens(image []byte, first uint32, tokens []int32) error {
	if err := fits(len(tokens)); err != nil {
		return err
	}
	hold()
	defer release()
	return check(C.akv_image_read_tokens(unsafe.Pointer(unsafe.SliceData(image)), C.uint64_t(len(image)), C.uint32_t(first),
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
		return C.akv_image_write_file(text, unsafe.Pointer(unsafe.SliceData(image)), C.uint64_t(len(image)))
	})
}

// ReadImageFile reads an image out of a file. Its header is checked; CopyLoad and CheckImage check all.
func ReadImageFile(path string) ([]byte, error) {
	return readAll(func(buffer []byte) (int, error) {
		var bytes C.uint64_t
		err := withPath(path, func(text *C.char) C.akv_status {
			return C.akv_image_read_file(text, unsafe.Pointer(unsafe.SliceData(buffer)), C.uint64_t(len(buffer)), &bytes)
		})
		return int(bytes), err
	})
}
