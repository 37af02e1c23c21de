// host.go: what was built into the library, its version, and the instruction set of its kernels.
package arenakv

// #include "shim.h"
import "C"

// The version of the header this package was compiled against.
const (
	VersionMajor         = C.AKV_VERSION_MAJOR
	VersionMinor         = C.AKV_VERSION_MINOR
	VersionPatch         = C.AKV_VERSION_PATCH
	HeaderVersion uint32 = C.AKV_VERSION
)

// Version is the version of the library that was loaded: 0x00MMmmpp.
func Version() uint32 { return uint32(C.akv_version()) }

// VersionString is the same as text, "0.1.0".
func VersionString() string { return C.GoString(C.akv_version_string()) }

// Feature is something that a build may have.
type Feature uint32

// The features of arenakv/host.h.
const (
	FeaturePrefixIndex Feature = C.AKV_FEATURE_PREFIX_INDEX
	FeaturePartialHits Feature = C.AKV_FEATURE_PARTIAL_HITS
	FeatureBuddy       Feature = C.AKV_FEATURE_BUDDY
	FeatureStores      Feature = C.AKV_FEATURE_STORES
	FeatureCUDA        Feature = C.AKV_FEATURE_CUDA
)

// Has tells whether this build has a feature.
func Has(feature Feature) bool { return C.akv_has(C.uint32_t(feature)) != 0 }

// ISA is an instruction set that kernels are written for.
type ISA uint32

// The instruction sets of arenakv/host.h; 0 stands for the quickest that the processor runs.
const (
	ISAPlain  ISA = C.AKV_ISA_PLAIN
	ISAAVX2   ISA = C.AKV_ISA_AVX2
	ISAAVX512 ISA = C.AKV_ISA_AVX512
	ISANEON   ISA = C.AKV_ISA_NEON
)

// String is the name of an instruction set, "AVX2".
func (i ISA) String() string { return C.GoString(C.akv_isa_name(C.uint32_t(i))) }

// ChooseISA takes the kernels of this instruction set, in all stores and streams.
func ChooseISA(isa ISA) error {
	hold()
	defer release()
	return check(C.akv_isa_choose(C.uint32_t(isa)))
}

// ISAInUse is the instruction set in use.
func ISAInUse() ISA { return ISA(C.akv_isa_in_use()) }

// Limits, whatever the configuration.
const (
	MaxBlocks         = C.AKV_MAX_BLOCKS
	MaxSequences      = C.AKV_MAX_SEQUENCES
	MaxSequenceTokens = C.AKV_MAX_SEQUENCE_TOKENS
	MaxBlockTokens    = C.AKV_MAX_BLOCK_TOKENS
	MaxCaches         = C.AKV_MAX_CACHES
	MaxObjects        = C.AKV_MAX_OBJECTS
)

const (
	// Unset stands for "default" or "all" where zero has a meaning of its own.
	Unset uint32 = C.AKV_UNSET
	// TokenUnknown is a token id that is not known yet; it never matches anything.
	TokenUnknown int32 = C.AKV_TOKEN_UNKNOWN
	// NullBlock is the block that is never handed out, for table entries that point nowhere.
	NullBlock int32 = C.AKV_NULL_BLOCK
	// PadSlot is what a slot mapping holds where there is no token.
	PadSlot int64 = C.AKV_PAD_SLOT
	// DeviceHost is the host's memory.
	DeviceHost uint32 = C.AKV_DEVICE_HOST
)
