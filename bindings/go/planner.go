// planner.go: how much fits into a memory, and what memory so much takes. Numbers only.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// PlannerRequest is what is asked. Zero means default.
type PlannerRequest struct {
	structSize      uint32
	DType           DType
	NumLayers       uint32
	BlockTokens     uint32
	Alignment       uint32
	NumSequences    uint32
	ContextTokens   uint64
	ExpectedTokens  uint64
	BudgetBytes     uint64
	TotalBytes      uint64
	WeightBytes     uint64
	ActivationBytes uint64
	OverheadBytes   uint64
	Format          Format
	_               uint32
}

// PlannerResult is what comes out.
type PlannerResult struct {
	structSize         uint32
	DType              DType
	NumLayers          uint32
	BlockTokens        uint32
	NumBlocks          uint32
	NumSequences       uint32
	NumTokens          uint64
	ContextTokens      uint64
	BlocksPerSequence  uint64
	SpareBlocks        uint64
	BytesPerToken      uint64
	BytesPerBlock      uint64
	SequenceBlockBytes uint64
	RoundingBytes      uint64
	NullBlockBytes     uint64
	PaddingBytes       uint64
	StoreBytes         uint64
	BudgetBytes        uint64
	SlackBytes         uint64
}

func (r *PlannerRequest) c() *C.akv_planner_request {
	return (*C.akv_planner_request)(unsafe.Pointer(r))
}

// Fit is the most blocks that a budget holds, and how many sequences that is.
func (m *Model) Fit(request PlannerRequest) (PlannerResult, error) {
	model, result := m.sized(), PlannerResult{structSize: uint32(unsafe.Sizeof(PlannerResult{}))}
	request.structSize = uint32(unsafe.Sizeof(request))
	hold()
	defer release()
	err := check(C.akv_planner_fit(model.c(), request.c(), (*C.akv_planner_result)(unsafe.Pointer(&result))))
	return result, err
}

// Need is the memory that so many sequences of a context take.
func (m *Model) Need(request PlannerRequest) (PlannerResult, error) {
	model, result := m.sized(), PlannerResult{structSize: uint32(unsafe.Sizeof(PlannerResult{}))}
	request.structSize = uint32(unsafe.Sizeof(request))
	hold()
	defer release()
	err := check(C.akv_planner_need(model.c(), request.c(), (*C.akv_planner_result)(unsafe.Pointer(&result))))
	return result, err
}

// PageSize is a page that holds any one tensor of a sequence.
type PageSize struct {
	structSize         uint32
	Alignment          uint32
	PageBytes          uint64
	TensorBytes        uint64
	TensorsPerSequence uint64
	SequencePageBytes  uint64
	FullWasteBytes     uint64
	ExpectedWasteBytes uint64
}

// PageSize is the page size for the model's tensors at a context.
func (m *Model) PageSize(request PlannerRequest) (PageSize, error) {
	model, size := m.sized(), PageSize{structSize: uint32(unsafe.Sizeof(PageSize{}))}
	request.structSize = uint32(unsafe.Sizeof(request))
	hold()
	defer release()
	err := check(C.akv_planner_page_size(model.c(), request.c(), (*C.akv_page_size)(unsafe.Pointer(&size))))
	return size, err
}
