// store.go: the bytes of a cache's blocks on one device: where they lie, in which layout, with which strides. Functions
// that move them are in copy.go.
package arenakv

// #include "shim.h"
import "C"

import (
	"errors"
	"runtime"
	"slices"
	"unsafe"
)

// Layout is how blocks lie in a store.
type Layout uint32

// The layouts of arenakv/store.h.
const (
	LayoutLayerOuter Layout = C.AKV_LAYOUT_LAYER_OUTER
	LayoutBlockOuter Layout = C.AKV_LAYOUT_BLOCK_OUTER
)

// Heads is how heads lie in a block.
type Heads uint32

// The orders of arenakv/store.h: NHD and HND.
const (
	HeadsInner Heads = C.AKV_HEADS_INNER
	HeadsOuter Heads = C.AKV_HEADS_OUTER
)

// Columns is what a store has columns for.
type Columns uint32

// The columns of arenakv/store.h.
const (
	StoreBlocks     Columns = C.AKV_STORE_BLOCKS
	StoreSwapBlocks Columns = C.AKV_STORE_SWAP_BLOCKS
)

// StoreSmallPages: don't ask for huge pages.
const StoreSmallPages uint32 = C.AKV_STORE_SMALL_PAGES

// Region is one layer and plane of a store. As an argument Data and Scales lie in buffers, and start with element 0 of block
// 0; as a result they are the store's memory. Strides are in bytes.
type Region struct {
	Data              []byte
	BlockStride       int64
	TokenStride       int64
	HeadStride        int64
	Scales            []byte
	ScalesBlockStride int64
	ScalesTokenStride int64
}

// StoreConfig is what a store is made of. Zero means default.
type StoreConfig struct {
	Flags     uint32 // StoreSmallPages
	Device    uint32
	Layout    Layout
	Heads     Heads
	Columns   Columns
	FirstHead uint32   // a shard of the KV heads
	NumHeads  uint32   // 0: all
	Layers    []uint32 // which layers are stored, ascending; nil: all
	Regions   []Region // your memory: one for each stored layer and plane, planes innermost; nil: the library's
	Tracker   *Tracker // where the library's memory is recorded; nil: nowhere
}

// Store is the bytes of a cache's blocks.
type Store struct {
	object
	shape storeShape
}

func (s *Store) enter() *C.akv_store {
	hold()
	if s == nil {
		return nil
	}
	handle := s.handle
	collect()
	return *(**C.akv_store)(unsafe.Pointer(&handle))
}

// raw is the handle, 0 of none.
func (s *Store) raw() uintptr {
	if s == nil {
		return 0
	}
	return s.handle
}

func (s *Store) leave() {
	release()
	runtime.KeepAlive(s)
}

// storeMaking is a configuration as C takes it, and what the store will keep of it.
type storeMaking struct {
	pins runtime.Pinner
	made *C.akv_store_config // by itself: cgo looks at the whole of what it lies in
	kept []any
}

// undo gives back what was lent to a store that does not come to be.
func (m *storeMaking) undo() {
	for _, thing := range m.kept {
		if buffer, ok := thing.(*Buffer); ok {
			buffer.giveBack()
		}
	}
}

// borrowed is the address of bytes that lie in a buffer.
func (m *storeMaking) borrowed(memory []byte) (unsafe.Pointer, error) {
	if len(memory) == 0 {
		return nil, nil
	}
	buffer := borrow(memory)
	if buffer == nil {
		return nil, refuse(ErrInvalidArgument, "%d bytes of the caller's memory lie in no buffer that is open", len(memory))
	}
	m.kept = append(m.kept, buffer)
	return unsafe.Pointer(unsafe.SliceData(memory)), nil
}

func (m *storeMaking) configure(config *StoreConfig) error {
	m.made = &C.akv_store_config{struct_size: C.sizeof_akv_store_config, region_size: C.sizeof_akv_region}
	if config == nil {
		return nil
	}
	if err := fits(len(config.Layers), len(config.Regions)); err != nil {
		return err
	}
	m.made.flags, m.made.device = C.uint32_t(config.Flags), C.uint32_t(config.Device)
	m.made.layout, m.made.heads = C.uint32_t(config.Layout), C.uint32_t(config.Heads)
	m.made.columns = C.uint32_t(config.Columns)
	m.made.first_head, m.made.num_heads = C.uint32_t(config.FirstHead), C.uint32_t(config.NumHeads)
	if len(config.Layers) > 0 {
		m.made.layers = (*C.uint32_t)(pin(&m.pins, slices.Clone(config.Layers)))
		m.made.num_layers = C.uint32_t(len(config.Layers))
	}
	if config.Tracker != nil {
		m.kept = append(m.kept, config.Tracker)
		handle := config.Tracker.handle
		m.made.tracker = *(**C.akv_tracker)(unsafe.Pointer(&handle))
	}
	regions := make([]C.akv_region, len(config.Regions))
	for i, region := range config.Regions {
		data, err := m.borrowed(region.Data)
		if err != nil {
			return err
		}
		scales, err := m.borrowed(region.Scales)
		if err != nil {
			return err
		}
		regions[i] = C.akv_region{data: data, bytes: C.uint64_t(len(region.Data)), block_stride: C.int64_t(region.BlockStride),
			token_stride: C.int64_t(region.TokenStride), head_stride: C.int64_t(region.HeadStride), scales: scales,
			scales_bytes:        C.uint64_t(len(region.Scales)),
			scales_block_stride: C.int64_t(region.ScalesBlockStride),
			scales_token_stride: C.int64_t(region.ScalesTokenStride)}
	}
	if len(regions) > 0 {
		m.pins.Pin(&regions[0])
		m.made.regions, m.made.num_regions = &regions[0], C.uint32_t(len(regions))
	}
	return nil
}

// openStore makes a store of these planes, from this layer on, by a call that takes a configuration.
func openStore(config *StoreConfig, firstLayer uint32, planes []Plane,
	create func(made *C.akv_store_config, out **C.akv_store) C.akv_status) (*Store, error) {
	var making storeMaking
	defer making.pins.Unpin()
	err := making.configure(config)
	var handle *C.akv_store
	if err == nil {
		err = check(create(making.made, &handle))
	}
	if err != nil {
		making.undo()
		return nil, err
	}
	store := new(Store)
	watch(store, &store.object, net{*(*uintptr)(unsafe.Pointer(&handle)), destroyStore, making.kept})
	if err := store.measure(firstLayer, planes); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

func destroyStore(handle uintptr) error {
	return check(C.akv_store_destroy(*(**C.akv_store)(unsafe.Pointer(&handle))))
}

// OpenStore makes a store for the blocks of the cache; config may be nil. It keeps the cache's geometry, not the cache. Close
// it.
func (c *Cache) OpenStore(config *StoreConfig) (*Store, error) {
	cache := c.enter()
	defer c.leave()
	group, err := c.Group(0)
	if err != nil {
		return nil, err
	}
	first := uint32(0)
	if config != nil && len(config.Layers) > 0 {
		first = config.Layers[0]
	}
	return openStore(config, first, group.Planes, func(made *C.akv_store_config, out **C.akv_store) C.akv_status {
		return C.akv_store_create(cache, made, out)
	})
}

// Close ends the store. Calls inside it, queued work on it and a tail over it make it ErrBusy.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	return s.close()
}

// StoreInfo is what a store is.
type StoreInfo struct {
	structSize     uint32
	Device         uint32
	Layout         Layout
	Heads          Heads
	Columns        Columns
	BlockTokens    uint32
	NumBlocks      uint32
	NumLayers      uint32
	NumPlanes      uint32
	FirstHead      uint32
	NumHeads       uint32
	CallersMemory  uint32
	BytesPerBlock  uint64
	Bytes          uint64
	AlignmentWaste uint64
	Epoch          uint64
}

// Info reads what the store is.
func (s *Store) Info() (StoreInfo, error) {
	info := StoreInfo{structSize: uint32(unsafe.Sizeof(StoreInfo{}))}
	store := s.enter()
	defer s.leave()
	err := check(C.akv_store_read_info(store, (*C.akv_store_info)(unsafe.Pointer(&info))))
	return info, err
}

// Region is one layer and plane as it was laid out. Its bytes dangle when the store is closed.
func (s *Store) Region(layer, plane uint32) (Region, error) {
	store := s.enter()
	defer s.leave()
	var read C.akv_region
	if err := check(C.akv_store_read_region(store, C.uint32_t(layer), C.uint32_t(plane), &read, C.sizeof_akv_region)); err != nil {
		return Region{}, err
	}
	return Region{Data: unsafe.Slice((*byte)(read.data), read.bytes), BlockStride: int64(read.block_stride),
		TokenStride: int64(read.token_stride), HeadStride: int64(read.head_stride),
		Scales:            unsafe.Slice((*byte)(read.scales), read.scales_bytes),
		ScalesBlockStride: int64(read.scales_block_stride), ScalesTokenStride: int64(read.scales_token_stride)}, nil
}

// View is a layer's plane as a tensor over all blocks.
func (s *Store) View(layer, plane uint32) (View, error) {
	var view View
	store := s.enter()
	defer s.leave()
	err := check(C.akv_store_read_view(store, C.uint32_t(layer), C.uint32_t(plane), view.c()))
	return view, err
}

// SequenceView is the same of one sequence whose blocks are neighbours, as Sequence.ReadBlocks tells them.
func (s *Store) SequenceView(layer, plane uint32, blocks []int32, numTokens uint32) (View, error) {
	var view View
	if err := fits(len(blocks)); err != nil {
		return View{}, err
	}
	store := s.enter()
	defer s.leave()
	err := check(C.akv_store_read_sequence_view(store, C.uint32_t(layer), C.uint32_t(plane),
		(*C.int32_t)(unsafe.SliceData(blocks)), C.uint32_t(len(blocks)), C.uint32_t(numTokens), view.c()))
	return view, err
}

// CheckView tells whether this view is still one of this store's.
func (s *Store) CheckView(view View) error {
	store := s.enter()
	defer s.leave()
	return check(C.akv_store_check_view(store, view.c()))
}

// SpanBytes is what a span takes when packed, as it is (dtype 0) or as numbers. numLayers 0: all that are stored.
func (s *Store) SpanBytes(firstLayer, numLayers, numTokens uint32, dtype DType) (uint64, error) {
	store := s.enter()
	defer s.leave()
	var bytes C.uint64_t
	err := check(C.akv_store_span_bytes(store, C.uint32_t(firstLayer), C.uint32_t(numLayers), C.uint32_t(numTokens),
		C.uint32_t(dtype), &bytes))
	return uint64(bytes), err
}
