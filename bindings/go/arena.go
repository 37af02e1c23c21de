// arena.go: arenas of tensors over the pages of a pool: tensors grow in place, an arena is dropped as a whole.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// ArenaID and TensorID are an arena and a tensor as numbers; 0 is none.
type (
	ArenaID  uint64
	TensorID uint64
)

// Arena is an arena of a pool: a value, copied at will. It ends with Drop, or with its pool.
type Arena struct {
	pool *PagePool
	ID   ArenaID
}

// Tensor is a tensor of an arena; it ends with that.
type Tensor struct {
	pool *PagePool
	ID   TensorID
}

// Arena is the arena with this number.
func (p *PagePool) Arena(id ArenaID) Arena { return Arena{p, id} }

// Tensor is the tensor with this number, as CreateTensors gave it.
func (p *PagePool) Tensor(id TensorID) Tensor { return Tensor{p, id} }

// CreateArena makes an arena for this owner. It takes its first page with its first tensor.
func (p *PagePool) CreateArena(owner uint64) (Arena, error) {
	pool := p.enter()
	defer p.leave()
	var arena C.akv_arena
	err := check(C.akv_arena_create(pool, C.uint64_t(owner), &arena))
	return Arena{p, ArenaID(arena)}, err
}

// Drop drops the arena with all its tensors.
func (a Arena) Drop() error {
	pool := a.pool.enter()
	defer a.pool.leave()
	return check(C.akv_arena_drop(pool, C.akv_arena(a.ID)))
}

// ArenaInfo is what an arena has.
type ArenaInfo struct {
	structSize    uint32
	Pages         uint32
	Owner         uint64
	Tensors       uint64
	CapacityBytes uint64
	RoundingBytes uint64
	ClosedBytes   uint64
	OpenBytes     uint64
}

// Info reads what the arena has.
func (a Arena) Info() (ArenaInfo, error) {
	info := ArenaInfo{structSize: uint32(unsafe.Sizeof(ArenaInfo{}))}
	pool := a.pool.enter()
	defer a.pool.leave()
	err := check(C.akv_arena_read_info(pool, C.akv_arena(a.ID), (*C.akv_arena_info)(unsafe.Pointer(&info))))
	return info, err
}

// CreateTensor places a tensor that may hold so many bytes, and holds nothing yet. The content is what its memory holds.
func (a Arena) CreateTensor(capacityBytes uint64) (Tensor, Content, error) {
	pool := a.pool.enter()
	defer a.pool.leave()
	var tensor C.akv_tensor
	var content C.uint32_t
	err := check(C.akv_tensor_create(pool, C.akv_arena(a.ID), C.uint64_t(capacityBytes), &tensor, &content))
	return Tensor{a.pool, TensorID(tensor)}, Content(content), err
}

// CreateTensors places many at once, all or none: tensors is as long as capacityBytes, contents too, or nil.
func (a Arena) CreateTensors(capacityBytes []uint64, tensors []TensorID, contents []Content) error {
	if len(tensors) != len(capacityBytes) || contents != nil && len(contents) != len(capacityBytes) {
		return refuse(ErrInvalidArgument, "%d capacities, room for %d tensors", len(capacityBytes), len(tensors))
	}
	if err := fits(len(tensors)); err != nil {
		return err
	}
	pool := a.pool.enter()
	defer a.pool.leave()
	return check(C.akv_tensor_create_batch(pool, C.akv_arena(a.ID), (*C.uint64_t)(unsafe.SliceData(capacityBytes)),
		C.uint32_t(len(tensors)), (*C.akv_tensor)(unsafe.SliceData(tensors)), (*C.uint32_t)(unsafe.SliceData(contents))))
}

// Extend grows the tensor: one atomic update of its length. The offset is where the new bytes begin. No byte moves.
func (t Tensor) Extend(bytes uint64) (offset uint64, err error) {
	pool := t.pool.enter()
	defer t.pool.leave()
	var before C.uint64_t
	err = check(C.akv_tensor_extend(pool, C.akv_tensor(t.ID), C.uint64_t(bytes), &before))
	return uint64(before), err
}

// View is where the tensor lies, how long it is and how long it may get.
func (t Tensor) View() (MemoryView, error) {
	view := MemoryView{structSize: uint32(unsafe.Sizeof(MemoryView{}))}
	pool := t.pool.enter()
	defer t.pool.leave()
	err := check(C.akv_tensor_read_view(pool, C.akv_tensor(t.ID), (*C.akv_memory_view)(unsafe.Pointer(&view))))
	return view, err
}

// Shape is the bytes that the tensor has now, from byte offset on, as a packed tensor of this dtype and shape; one of the
// sizes may be -1: whatever is left.
func (t Tensor) Shape(offset uint64, dtype DType, shape ...int64) (View, error) {
	var view View
	if err := fits(len(shape)); err != nil {
		return View{}, err
	}
	pool := t.pool.enter()
	defer t.pool.leave()
	err := check(C.akv_tensor_read_shape(pool, C.akv_tensor(t.ID), C.uint64_t(offset), C.uint32_t(dtype),
		(*C.int64_t)(unsafe.SliceData(shape)), C.uint32_t(len(shape)), view.c()))
	return view, err
}

// CopyTo copies your bytes into the tensor, from byte offset on.
func (t Tensor) CopyTo(offset uint64, source []byte, stream *Stream) error {
	pool := t.pool.enter()
	defer t.pool.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(t.pool)
	from := lend(&loan, source)
	err := loan.err
	if err == nil {
		err = check(C.go_copy_to_tensor(pool, C.akv_tensor(t.ID), C.uint64_t(offset), (*C.uint8_t)(from), C.uint64_t(len(source)), order))
	}
	return loan.end(err, false)
}

// CopyFrom copies bytes of the tensor, from byte offset on, to yours.
func (t Tensor) CopyFrom(offset uint64, target []byte, stream *Stream) error {
	pool := t.pool.enter()
	defer t.pool.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(t.pool)
	to := lend(&loan, target)
	err := loan.err
	if err == nil {
		err = check(C.go_copy_from_tensor(pool, C.akv_tensor(t.ID), C.uint64_t(offset), (*C.uint8_t)(to), C.uint64_t(len(target)), order))
	}
	return loan.end(err, false)
}

// CopyTensor copies bytes of the tensor to another of the pool, or inside it: overlapping is fine.
func (t Tensor) CopyTensor(offset uint64, to Tensor, toOffset, bytes uint64, stream *Stream) error {
	pool := t.pool.enter()
	defer t.pool.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(t.pool)
	return loan.end(check(C.akv_copy_tensor(pool, C.akv_tensor(t.ID), C.uint64_t(offset), C.akv_tensor(to.ID),
		C.uint64_t(toOffset), C.uint64_t(bytes), order)), false)
}

// CopyZero zeroes the tensor, all of its capacity.
func (t Tensor) CopyZero(stream *Stream) error {
	pool := t.pool.enter()
	defer t.pool.leave()
	order := stream.enter()
	defer stream.leave()
	var loan loan
	loan.begin(stream)
	loan.keep(t.pool)
	return loan.end(check(C.akv_copy_zero_tensor(pool, C.akv_tensor(t.ID), order)), false)
}

// PagePoolState is all numbers of a pool: FreePages + LivePages + QuarantinedPages + UnreservedPages = MaxPages, always.
type PagePoolState struct {
	structSize       uint32
	Device           uint32
	PageBytes        uint64
	MaxPages         uint32
	FreePages        uint32
	LivePages        uint32
	QuarantinedPages uint32
	UnreservedPages  uint32
	FreshPages       uint32
	ArenaPages       uint32
	Arenas           uint32
	Tensors          uint64
	CapacityBytes    uint64
	RoundingBytes    uint64
	ClosedBytes      uint64
	HandedOut        uint64
	Recycled         uint64
	RecycledBytes    uint64
	HitRatio         float64
	Refused          uint64
	DroppedArenas    uint64
	DroppedTensors   uint64
	AbandonedTickets uint64
	OldestOpen       Ticket
	Newest           Ticket
	OpenTickets      uint32
	LockFree         uint32
	BytesPerTensor   uint32
	_                uint32
	TableBytes       uint64
}

// State reads all numbers of the pool.
func (p *PagePool) State() (PagePoolState, error) {
	state := PagePoolState{structSize: uint32(unsafe.Sizeof(PagePoolState{}))}
	pool := p.enter()
	defer p.leave()
	err := check(C.akv_page_pool_read_state(pool, (*C.akv_page_pool_state)(unsafe.Pointer(&state))))
	return state, err
}
