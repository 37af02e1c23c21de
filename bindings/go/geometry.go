// geometry.go: what a block is in bytes: planes, layer groups, formats. Numbers only.
package arenakv

// #include "shim.h"
import "C"

import "unsafe"

// DType is the type of elements.
type DType uint32

// The dtypes of arenakv/geometry.h.
const (
	DTypeF32    DType = C.AKV_DTYPE_F32
	DTypeF16    DType = C.AKV_DTYPE_F16
	DTypeBF16   DType = C.AKV_DTYPE_BF16
	DTypeF8E4M3 DType = C.AKV_DTYPE_F8_E4M3
	DTypeI8     DType = C.AKV_DTYPE_I8
	DTypeI4     DType = C.AKV_DTYPE_I4
)

// Scaling says how the codes of a quantized dtype become numbers.
type Scaling uint32

// The scalings of arenakv/geometry.h.
const (
	ScalingNone       Scaling = C.AKV_SCALING_NONE
	ScalingHead       Scaling = C.AKV_SCALING_HEAD
	ScalingTokenHead  Scaling = C.AKV_SCALING_TOKEN_HEAD
	ScalingTokenGroup Scaling = C.AKV_SCALING_TOKEN_GROUP
	ScalingChannel    Scaling = C.AKV_SCALING_CHANNEL
)

// Role is what a plane holds.
type Role uint32

// The roles of arenakv/geometry.h.
const (
	PlaneKeys   Role = C.AKV_PLANE_KEYS
	PlaneValues Role = C.AKV_PLANE_VALUES
	PlaneLatent Role = C.AKV_PLANE_LATENT
)

// Format is a name for what K/V are kept as.
type Format uint32

// The formats of arenakv/geometry.h.
const (
	FormatF32     Format = C.AKV_FORMAT_F32
	FormatF16     Format = C.AKV_FORMAT_F16
	FormatBF16    Format = C.AKV_FORMAT_BF16
	FormatF8      Format = C.AKV_FORMAT_F8
	FormatF8Token Format = C.AKV_FORMAT_F8_TOKEN
	FormatI8      Format = C.AKV_FORMAT_I8
	FormatK8V4    Format = C.AKV_FORMAT_K8V4
	FormatI4      Format = C.AKV_FORMAT_I4
)

// RuleFull: every token attends to all before it.
const RuleFull uint32 = C.AKV_RULE_FULL

// Plane is one plane of one layer: heads x dim elements for each token, and scales beside them.
type Plane struct {
	Role       Role
	DType      DType
	KVHeads    uint32
	HeadDim    uint32
	ScaleBytes uint32
	Scaling    Scaling
}

// Group is layers that share a block table. This release takes one.
type Group struct {
	Rule       uint32 // RuleFull
	NumLayers  uint32
	QueryHeads uint32 // of each layer; 0: not told
	Planes     []Plane
}

// Sizes is what a cache of a configuration needs, all in bytes.
type Sizes struct {
	structSize            uint32
	BlockTokens           uint32
	BytesPerToken         uint64
	BytesPerBlock         uint64
	TotalBytes            uint64
	QueryHeadBytes        uint64
	MetadataReservedBytes uint64
	SwapBytes             uint64
}

// BlocksFor is the blocks that so many tokens take.
func BlocksFor(numTokens uint64, blockTokens uint32) uint64 {
	return uint64(C.akv_blocks_for(C.uint64_t(numTokens), C.uint32_t(blockTokens)))
}

// ChoosePlanes sets dtype, scaling and scale bytes of planes to a format; their roles, heads and dims must be there.
func ChoosePlanes(planes []Plane, format Format, blockTokens uint32) error {
	if err := fits(len(planes)); err != nil {
		return err
	}
	hold()
	defer release()
	return check(C.akv_planes_choose((*C.akv_plane)(unsafe.Pointer(unsafe.SliceData(planes))), C.uint32_t(len(planes)),
		C.uint32_t(unsafe.Sizeof(Plane{})), C.uint32_t(format), C.uint32_t(blockTokens)))
}

const maxPlanes = 64 // of a layer

// readGroup calls something that fills in a group and its planes.
func readGroup(read func(group *C.akv_layer_group, planes *C.akv_plane, capacity C.uint32_t) C.akv_status) (Group, error) {
	planes := make([]Plane, maxPlanes)
	group := C.akv_layer_group{plane_size: C.uint32_t(unsafe.Sizeof(Plane{}))}
	if err := check(read(&group, (*C.akv_plane)(unsafe.Pointer(&planes[0])), maxPlanes)); err != nil {
		return Group{}, err
	}
	return Group{Rule: uint32(group.rule), NumLayers: uint32(group.num_layers), QueryHeads: uint32(group.query_heads),
		Planes: planes[:group.num_planes:group.num_planes]}, nil
}
