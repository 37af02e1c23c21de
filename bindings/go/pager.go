// pager.go: a policy of who has to leave when the cache's blocks are full. An engine with one of its own calls SwapOut and
// SwapIn instead.
package arenakv

// #include "shim.h"
import "C"

import (
	"runtime"
	"slices"
	"unsafe"
)

// Pager sends the coldest sequences to the swap blocks and brings them back on use.
type Pager struct{ object }

func (p *Pager) enter() *C.akv_pager {
	hold()
	if p == nil {
		return nil
	}
	handle := p.handle
	collect()
	return *(**C.akv_pager)(unsafe.Pointer(&handle))
}

func (p *Pager) leave() {
	release()
	runtime.KeepAlive(p)
}

// OpenPager makes a pager: stores are all shards of the cache's blocks and of its swap blocks. Close it before them.
func (c *Cache) OpenPager(stores []*Store) (*Pager, error) {
	cache := c.enter()
	defer c.leave()
	var list storeList
	if err := list.of(stores); err != nil {
		return nil, err
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	config := C.akv_pager_config{struct_size: C.sizeof_akv_pager_config, num_stores: list.count,
		stores: (**C.akv_store)(pin(&pins, slices.Clone(list.handles[:list.count])))}
	var handle *C.akv_pager
	if err := check(C.akv_pager_create(cache, &config, &handle)); err != nil {
		return nil, err
	}
	kept := []any{c}
	for _, store := range stores {
		kept = append(kept, store)
	}
	pager := new(Pager)
	watch(pager, &pager.object, net{*(*uintptr)(unsafe.Pointer(&handle)), destroyPager, kept})
	return pager, nil
}

func destroyPager(handle uintptr) error {
	return check(C.akv_pager_destroy(*(**C.akv_pager)(unsafe.Pointer(&handle))))
}

// Close ends the pager. Plans that are on their way are finished by Poll of their stream.
func (p *Pager) Close() error {
	if p == nil {
		return nil
	}
	return p.close()
}

// Residence is how far sequences are from being resident.
type Residence struct {
	structSize uint32
	Resident   uint32 // of the sequences asked for
	Pending    uint32 // 0: all are; else wait for the stream and for Wait, and ask again
	StartedOut uint32
	StartedIn  uint32
	_          uint32
	Wait       Ticket
}

// CopyMakeResident swaps in sequences that are swapped, and sends others out until there is room for these and for
// numTokens[i] more tokens of each (nil: for none). It never waits.
func (p *Pager) CopyMakeResident(sequences []SequenceID, numTokens []uint32, stream *Stream) (Residence, error) {
	residence := Residence{structSize: uint32(unsafe.Sizeof(Residence{}))}
	if numTokens != nil && len(numTokens) != len(sequences) {
		return Residence{}, refuse(ErrInvalidArgument, "%d numbers of tokens for %d sequences", len(numTokens), len(sequences))
	}
	if err := fits(len(sequences)); err != nil {
		return Residence{}, err
	}
	pager := p.enter()
	defer p.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(p)
	err := check(C.akv_copy_make_resident(pager, (*C.akv_sequence)(unsafe.SliceData(sequences)),
		(*C.uint32_t)(unsafe.SliceData(numTokens)), C.uint32_t(len(sequences)),
		(*C.akv_residence)(unsafe.Pointer(&residence)), order))
	return residence, loan.end(err, true)
}
