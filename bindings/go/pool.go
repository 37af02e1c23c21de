// pool.go: page pools: fixed pages of memory, recycled without a lock. arena.go has the tensors over them.
package arenakv

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Content says what is in memory that is handed out.
type Content uint32

// The contents of arenakv/arena.h.
const (
	ContentZero    Content = C.AKV_CONTENT_ZERO
	ContentOwn     Content = C.AKV_CONTENT_OWN
	ContentForeign Content = C.AKV_CONTENT_FOREIGN
)

// Flags of PagePoolConfig.
const (
	PagePoolPrefault uint32 = C.AKV_PAGE_POOL_PREFAULT // touch pages when they are reserved
	PagePoolDirty    uint32 = C.AKV_PAGE_POOL_DIRTY    // your memory is not zero
)

// PagePoolConfig is what a page pool is made of. Zero means default.
type PagePoolConfig struct {
	Flags          uint32 // PagePool...
	PageBytes      uint64 // a multiple of 256; 2 MiB
	NumPages       uint32 // with memory from the start
	MaxPages       uint32 // addresses are reserved for so many
	MaxArenas      uint32 // 256
	TensorsPerPage uint32
	MaxOpenTickets uint32 // 1024
	Device         uint32
	Purpose        Purpose  // for the tracker
	Memory         []byte   // of MaxPages pages, in a buffer; nil: the library's
	Tracker        *Tracker // nil: none
}

// PagePool is one stretch of addresses cut into pages.
type PagePool struct{ object }

func (p *PagePool) enter() *C.akv_page_pool {
	hold()
	if p == nil {
		return nil
	}
	handle := p.handle
	collect()
	return *(**C.akv_page_pool)(unsafe.Pointer(&handle))
}

func (p *PagePool) leave() {
	release()
	runtime.KeepAlive(p)
}

// OpenPagePool makes a page pool; config may be nil. Close it.
func OpenPagePool(config *PagePoolConfig) (*PagePool, error) {
	made := C.akv_page_pool_config{struct_size: C.sizeof_akv_page_pool_config}
	var making storeMaking
	hold()
	defer release()
	if config != nil {
		made.flags, made.page_bytes = C.uint32_t(config.Flags), C.uint64_t(config.PageBytes)
		made.num_pages, made.max_pages = C.uint32_t(config.NumPages), C.uint32_t(config.MaxPages)
		made.max_arenas, made.tensors_per_page = C.uint32_t(config.MaxArenas), C.uint32_t(config.TensorsPerPage)
		made.max_open_tickets, made.device = C.uint32_t(config.MaxOpenTickets), C.uint32_t(config.Device)
		made.purpose = C.uint32_t(config.Purpose)
		memory, err := making.borrowed(config.Memory)
		if err != nil {
			return nil, err
		}
		made.memory, made.memory_bytes = memory, C.uint64_t(len(config.Memory))
		if config.Tracker != nil {
			making.kept = append(making.kept, config.Tracker)
			handle := config.Tracker.handle
			made.tracker = *(**C.akv_tracker)(unsafe.Pointer(&handle))
		}
	}
	var handle *C.akv_page_pool
	if err := check(C.akv_page_pool_create(&made, &handle)); err != nil {
		making.undo()
		return nil, err
	}
	pool := new(PagePool)
	watch(pool, &pool.object, net{*(*uintptr)(unsafe.Pointer(&handle)), destroyPagePool, making.kept})
	return pool, nil
}

func destroyPagePool(handle uintptr) error {
	return check(C.akv_page_pool_destroy(*(**C.akv_page_pool)(unsafe.Pointer(&handle))))
}

// Close ends the pool with everything in it. A call inside it, or an open ticket, makes it ErrBusy.
func (p *PagePool) Close() error {
	if p == nil {
		return nil
	}
	return p.close()
}

// Config is the configuration in use, with every default filled in. Memory is all pages: number n, from 1 on, begins at
// (n - 1) x PageBytes.
func (p *PagePool) Config() (PagePoolConfig, error) {
	pool := p.enter()
	defer p.leave()
	read := C.akv_page_pool_config{struct_size: C.sizeof_akv_page_pool_config}
	if err := check(C.akv_page_pool_read_config(pool, &read)); err != nil {
		return PagePoolConfig{}, err
	}
	bytes := uint64(read.page_bytes) * uint64(read.max_pages)
	return PagePoolConfig{Flags: uint32(read.flags), PageBytes: uint64(read.page_bytes), NumPages: uint32(read.num_pages),
		MaxPages: uint32(read.max_pages), MaxArenas: uint32(read.max_arenas), TensorsPerPage: uint32(read.tensors_per_page),
		MaxOpenTickets: uint32(read.max_open_tickets), Device: uint32(read.device), Purpose: Purpose(read.purpose),
		Memory: unsafe.Slice((*byte)(read.memory), bytes)}, nil
}

// Reserve sees that at least so many pages have memory.
func (p *PagePool) Reserve(numPages uint32) error {
	pool := p.enter()
	defer p.leave()
	return check(C.akv_page_pool_reserve(pool, C.uint32_t(numPages)))
}

// PageID is a page; 0 is none.
type PageID uint64

// AcquirePages takes as many pages as there is room for, all or none. contents (as long, or nil) says what is in each.
func (p *PagePool) AcquirePages(owner uint64, pages []PageID, contents []Content) error {
	if contents != nil && len(contents) != len(pages) {
		return refuse(ErrInvalidArgument, "%d contents for %d pages", len(contents), len(pages))
	}
	if err := fits(len(pages)); err != nil {
		return err
	}
	pool := p.enter()
	defer p.leave()
	return check(C.akv_page_acquire(pool, C.uint64_t(owner), (*C.akv_page)(unsafe.SliceData(pages)),
		(*C.uint32_t)(unsafe.SliceData(contents)), C.uint32_t(len(pages))))
}

// ReleasePages gives pages back, all or none, each once.
func (p *PagePool) ReleasePages(pages []PageID) error {
	if err := fits(len(pages)); err != nil {
		return err
	}
	pool := p.enter()
	defer p.leave()
	return check(C.akv_page_release(pool, (*C.akv_page)(unsafe.SliceData(pages)), C.uint32_t(len(pages))))
}

// MemoryView is where bytes lie. A description: reading it touches none.
type MemoryView struct {
	structSize    uint32
	Device        uint32
	Data          unsafe.Pointer // never memory of Go's
	Bytes         uint64         // in use: a tensor's length, all of a page
	CapacityBytes uint64
	Epoch         uint64
	Owner         uint64
	Content       Content
	Page          uint32
}

// Memory is the bytes in use. It dangles when the pool is closed.
func (v MemoryView) Memory() []byte { return unsafe.Slice((*byte)(v.Data), v.Bytes) }

// PageView is where a page lies.
func (p *PagePool) PageView(page PageID) (MemoryView, error) {
	view := MemoryView{structSize: uint32(unsafe.Sizeof(MemoryView{}))}
	pool := p.enter()
	defer p.leave()
	err := check(C.akv_page_read_view(pool, C.akv_page(page), (*C.akv_memory_view)(unsafe.Pointer(&view))))
	return view, err
}

// CopyZeroPage zeroes a page that was acquired as ContentForeign.
func (p *PagePool) CopyZeroPage(page PageID, stream *Stream) error {
	pool := p.enter()
	defer p.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(p)
	return loan.end(check(C.akv_copy_zero_page(pool, C.akv_page(page), order)), false)
}

// OpenTicket opens a ticket of the pool: from now on pages that go back wait for it.
func (p *PagePool) OpenTicket() (Ticket, error) {
	pool := p.enter()
	defer p.leave()
	var ticket C.akv_ticket
	err := check(C.akv_page_pool_ticket_open(pool, &ticket))
	return Ticket(ticket), err
}

// RetireTicket: the work has finished.
func (p *PagePool) RetireTicket(ticket Ticket) error {
	pool := p.enter()
	defer p.leave()
	return check(C.akv_page_pool_ticket_retire(pool, C.akv_ticket(ticket)))
}

// AbandonTicket: the work failed, and touches no memory any more: you vouch for that.
func (p *PagePool) AbandonTicket(ticket Ticket) error {
	pool := p.enter()
	defer p.leave()
	return check(C.akv_page_pool_ticket_abandon(pool, C.akv_ticket(ticket)))
}

// ReadTicket tells where a ticket of the pool stands.
func (p *PagePool) ReadTicket(ticket Ticket) (TicketState, error) {
	pool := p.enter()
	defer p.leave()
	var state C.uint32_t
	err := check(C.akv_page_pool_ticket_read(pool, C.akv_ticket(ticket), &state))
	return TicketState(state), err
}

// Dropped is what an emergency drop gave back.
type Dropped struct {
	structSize uint32
	Arenas     uint32
	Tensors    uint64
	RawPages   uint32
	Pages      uint32
	Bytes      uint64
}

// DropOwner drops every arena of an owner and gives back every page it has acquired.
func (p *PagePool) DropOwner(owner uint64) (Dropped, error) {
	dropped := Dropped{structSize: uint32(unsafe.Sizeof(Dropped{}))}
	pool := p.enter()
	defer p.leave()
	err := check(C.akv_page_pool_drop_owner(pool, C.uint64_t(owner), (*C.akv_dropped)(unsafe.Pointer(&dropped))))
	return dropped, err
}

// DropAll does so for everybody.
func (p *PagePool) DropAll() (Dropped, error) {
	dropped := Dropped{structSize: uint32(unsafe.Sizeof(Dropped{}))}
	pool := p.enter()
	defer p.leave()
	err := check(C.akv_page_pool_drop_all(pool, (*C.akv_dropped)(unsafe.Pointer(&dropped))))
	return dropped, err
}

// ReadStats fills lines with what was moved in the pool, and tells how many there are.
func (p *PagePool) ReadStats(lines []CopyStats) (int, error) {
	if err := fits(len(lines)); err != nil {
		return 0, err
	}
	pool := p.enter()
	defer p.leave()
	var count C.uint32_t
	err := check(C.akv_page_pool_read_stats(pool, (*C.akv_copy_stats)(unsafe.Pointer(unsafe.SliceData(lines))),
		C.uint32_t(unsafe.Sizeof(CopyStats{})), C.uint32_t(len(lines)), &count))
	return int(count), err
}

// Stats is what was moved in the pool, in a slice of its own.
func (p *PagePool) Stats() ([]CopyStats, error) { return readAll(p.ReadStats) }
