// cache.go: one KV cache as numbers: its configuration, Open and Close. It knows no bytes; those are in stores.
package arenakv

// #include "shim.h"
import "C"

import (
	"runtime"
	"slices"
	"unsafe"
)

// BlockAllocator is how block ids are found.
type BlockAllocator uint32

// The block allocators of arenakv/cache.h.
const (
	BlockAllocatorStack BlockAllocator = C.AKV_BLOCK_ALLOCATOR_STACK
	BlockAllocatorBuddy BlockAllocator = C.AKV_BLOCK_ALLOCATOR_BUDDY
)

// Scrub says when a block that held K/V is zeroed before it is used again.
type Scrub uint32

// When blocks are scrubbed.
const (
	ScrubDomain Scrub = C.AKV_SCRUB_DOMAIN
	ScrubNone   Scrub = C.AKV_SCRUB_NONE
	ScrubAlways Scrub = C.AKV_SCRUB_ALWAYS
)

// CachePrefault: touch all metadata in Open.
const CachePrefault uint32 = C.AKV_CACHE_PREFAULT

// Config is what a cache is made of. Zero means default.
type Config struct {
	Flags                uint32 // CachePrefault
	NumBlocks            uint32 // 4096
	BlockTokens          uint32 // 16
	MaxSequences         uint32 // 256
	MaxTokensPerSequence uint32 // 4096
	MaxOpenTickets       uint32 // 1024
	MaxPlans             uint32
	MaxHolds             uint32
	MaxPinnedBlocks      uint32
	MagazineBlocks       uint32
	BlockAllocator       BlockAllocator
	Scrub                Scrub
	NumSwapBlocks        uint32
	Groups               []Group // none: 32 layers, 8 KV heads of 128 for keys and values in f16
}

// Cache is the metadata of one KV cache. Any goroutine may call it.
type Cache struct{ object }

func (c *Cache) enter() *C.akv_cache {
	hold()
	if c == nil {
		return nil
	}
	handle := c.handle
	collect()
	return *(**C.akv_cache)(unsafe.Pointer(&handle))
}

func (c *Cache) leave() {
	release()
	runtime.KeepAlive(c)
}

// withConfig hands a configuration to a call, with what it points to in place as long as that lasts.
func withConfig(config *Config, call func(*C.akv_cache_config) C.akv_status) error {
	hold()
	defer release()
	if config == nil {
		return check(call(&C.akv_cache_config{struct_size: C.sizeof_akv_cache_config}))
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	groups := make([]C.akv_layer_group, len(config.Groups))
	for i, group := range config.Groups {
		groups[i] = C.akv_layer_group{rule: C.uint32_t(group.Rule), num_layers: C.uint32_t(group.NumLayers),
			num_planes: C.uint32_t(len(group.Planes)), plane_size: C.uint32_t(unsafe.Sizeof(Plane{})),
			query_heads: C.uint32_t(group.QueryHeads)}
		groups[i].planes = (*C.akv_plane)(pin(&pins, slices.Clone(group.Planes)))
		if err := fits(len(group.Planes)); err != nil {
			return err
		}
	}
	made := C.akv_cache_config{struct_size: C.sizeof_akv_cache_config, flags: C.uint32_t(config.Flags),
		num_blocks: C.uint32_t(config.NumBlocks), block_tokens: C.uint32_t(config.BlockTokens),
		max_sequences: C.uint32_t(config.MaxSequences), max_tokens_per_sequence: C.uint32_t(config.MaxTokensPerSequence),
		max_open_tickets: C.uint32_t(config.MaxOpenTickets), max_plans: C.uint32_t(config.MaxPlans),
		max_holds: C.uint32_t(config.MaxHolds), max_pinned_blocks: C.uint32_t(config.MaxPinnedBlocks),
		magazine_blocks: C.uint32_t(config.MagazineBlocks), block_allocator: C.uint32_t(config.BlockAllocator),
		scrub: C.uint32_t(config.Scrub), num_swap_blocks: C.uint32_t(config.NumSwapBlocks),
		num_groups: C.uint32_t(len(groups)), group_size: C.sizeof_akv_layer_group}
	if err := fits(len(groups)); err != nil {
		return err
	}
	if len(groups) > 0 {
		pins.Pin(&groups[0])
		made.groups = &groups[0]
	}
	return check(call(&made))
}

// Sizes tells what a cache of this configuration would need, without making one.
func (config *Config) Sizes() (Sizes, error) {
	sizes := Sizes{structSize: uint32(unsafe.Sizeof(Sizes{}))}
	err := withConfig(config, func(made *C.akv_cache_config) C.akv_status {
		return C.akv_cache_config_sizes(made, (*C.akv_sizes)(unsafe.Pointer(&sizes)))
	})
	return sizes, err
}

// Open makes a cache; config may be nil. Close it.
func Open(config *Config) (*Cache, error) {
	var handle *C.akv_cache
	err := withConfig(config, func(made *C.akv_cache_config) C.akv_status { return C.akv_cache_create(made, &handle) })
	if err != nil {
		return nil, err
	}
	cache := new(Cache)
	watch(cache, &cache.object, net{handle: *(*uintptr)(unsafe.Pointer(&handle)), destroy: destroyCache})
	return cache, nil
}

func destroyCache(handle uintptr) error {
	return check(C.akv_cache_destroy(*(**C.akv_cache)(unsafe.Pointer(&handle))))
}

// Close ends the cache with everything in it, live sequences included. A call inside one of its sequences makes it ErrBusy;
// calls that come later, a second Close too, are ErrBadHandle.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	return c.close()
}

// Config is the configuration in use, with every default filled in; Group tells the geometry.
func (c *Cache) Config() (Config, error) {
	cache := c.enter()
	defer c.leave()
	read := C.akv_cache_config{struct_size: C.sizeof_akv_cache_config}
	if err := check(C.akv_cache_read_config(cache, &read)); err != nil {
		return Config{}, err
	}
	return Config{Flags: uint32(read.flags), NumBlocks: uint32(read.num_blocks), BlockTokens: uint32(read.block_tokens),
		MaxSequences: uint32(read.max_sequences), MaxTokensPerSequence: uint32(read.max_tokens_per_sequence),
		MaxOpenTickets: uint32(read.max_open_tickets), MaxPlans: uint32(read.max_plans), MaxHolds: uint32(read.max_holds),
		MaxPinnedBlocks: uint32(read.max_pinned_blocks), MagazineBlocks: uint32(read.magazine_blocks),
		BlockAllocator: BlockAllocator(read.block_allocator), Scrub: Scrub(read.scrub),
		NumSwapBlocks: uint32(read.num_swap_blocks)}, nil
}

// Group is a layer group of the cache, with its planes.
func (c *Cache) Group(group uint32) (Group, error) {
	cache := c.enter()
	defer c.leave()
	return readGroup(func(out *C.akv_layer_group, planes *C.akv_plane, capacity C.uint32_t) C.akv_status {
		return C.akv_cache_read_group(cache, C.uint32_t(group), out, C.sizeof_akv_layer_group, planes, capacity)
	})
}
