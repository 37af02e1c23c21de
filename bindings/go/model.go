// model.go: what a KV cache must know of a model, and the models it knows by name. Numbers only.
package arenakv

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"runtime"
	"strings"
	"unsafe"
)

// Family is a family of models.
type Family uint32

// The families of arenakv/model.h.
const (
	FamilyOther    Family = C.AKV_FAMILY_OTHER
	FamilyLlama    Family = C.AKV_FAMILY_LLAMA
	FamilyMistral  Family = C.AKV_FAMILY_MISTRAL
	FamilyMixtral  Family = C.AKV_FAMILY_MIXTRAL
	FamilyQwen     Family = C.AKV_FAMILY_QWEN
	FamilyGemma    Family = C.AKV_FAMILY_GEMMA
	FamilyPhi      Family = C.AKV_FAMILY_PHI
	FamilyDeepSeek Family = C.AKV_FAMILY_DEEPSEEK
	FamilyFalcon   Family = C.AKV_FAMILY_FALCON
	FamilyGPT      Family = C.AKV_FAMILY_GPT
)

// String is the name of a family, "Llama".
func (f Family) String() string { return C.GoString(C.akv_family_name(C.uint32_t(f))) }

// AttentionKind is how KV heads and query heads go together.
type AttentionKind uint32

// The kinds of arenakv/model.h.
const (
	AttentionMHA AttentionKind = C.AKV_ATTENTION_MHA
	AttentionGQA AttentionKind = C.AKV_ATTENTION_GQA
	AttentionMQA AttentionKind = C.AKV_ATTENTION_MQA
	AttentionMLA AttentionKind = C.AKV_ATTENTION_MLA
)

// String is the name of a kind, "GQA".
func (k AttentionKind) String() string { return C.GoString(C.akv_attention_name(C.uint32_t(k))) }

// MaxWindowLayers is the most layers of a model of which some have a sliding window.
const MaxWindowLayers = C.AKV_MAX_WINDOW_LAYERS

// Model is a model: NumLayers, QueryHeads, KVHeads and KeyHeadDim must be there. All other zeroes: default, or not told.
type Model struct {
	structSize    uint32
	Preset        uint32 // its number for ModelName; 0: none
	Family        Family
	Attention     AttentionKind
	DType         DType
	NumLayers     uint32
	QueryHeads    uint32
	KVHeads       uint32
	KeyHeadDim    uint32
	ValueHeadDim  uint32
	LatentDim     uint32
	RopeDim       uint32
	MaxContext    uint32
	SlidingWindow uint32
	WindowLayers  [4]uint64
}

func (m *Model) sized() Model {
	var model Model
	if m != nil {
		model = *m
	}
	model.structSize = uint32(unsafe.Sizeof(model))
	return model
}

func (m *Model) c() *C.akv_model { return (*C.akv_model)(unsafe.Pointer(m)) }

// FindModel is the model of this name: "mistralai/Mistral-7B", "mistral_7b".
func FindModel(name string) (Model, error) {
	var none *Model
	model := none.sized()
	if strings.IndexByte(name, 0) >= 0 {
		return Model{}, refuse(ErrInvalidArgument, "a name with a zero byte in it")
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	hold()
	defer release()
	err := check(C.akv_model_find(text, model.c()))
	return model, err
}

// ModelName is the name of a preset, numbered from 1 without gaps; "" for 0 and beyond the last.
func ModelName(preset uint32) string { return C.GoString(C.akv_model_name(C.uint32_t(preset))) }

// Sliding is use_sliding_window of a config.json.
type Sliding uint32

// What a config.json says of sliding windows.
const (
	SlidingAbsent Sliding = C.AKV_SLIDING_ABSENT
	SlidingFalse  Sliding = C.AKV_SLIDING_FALSE
	SlidingTrue   Sliding = C.AKV_SLIDING_TRUE
)

// ModelFields are the numbers of a Hugging Face config.json under their own names (arenakv/model.h has their other names).
// Zero and "": absent.
type ModelFields struct {
	NumHiddenLayers        uint32
	NumAttentionHeads      uint32
	NumKeyValueHeads       uint32
	HiddenSize             uint32
	HeadDim                uint32
	MaxPositionEmbeddings  uint32
	MultiQuery             bool
	NewDecoderArchitecture bool
	KVLoraRank             uint32
	QKRopeHeadDim          uint32
	QKNopeHeadDim          uint32
	VHeadDim               uint32
	SlidingWindow          uint32
	UseSlidingWindow       Sliding
	MaxWindowLayers        uint32
	SlidingWindowPattern   uint32
	NumLayerTypes          uint32
	SlidingLayers          [4]uint64
	NumOtherLayers         uint32
	KeyProjectionRows      uint32
	ModelType              string
	TorchDType             string
}

func number(set bool) C.uint32_t {
	if set {
		return 1
	}
	return 0
}

// ModelFromFields is the model that these numbers describe.
func ModelFromFields(fields ModelFields) (Model, error) {
	var none *Model
	model := none.sized()
	var pins runtime.Pinner
	defer pins.Unpin()
	made := C.akv_model_fields{struct_size: C.sizeof_akv_model_fields,
		num_hidden_layers: C.uint32_t(fields.NumHiddenLayers), num_attention_heads: C.uint32_t(fields.NumAttentionHeads),
		num_key_value_heads: C.uint32_t(fields.NumKeyValueHeads), hidden_size: C.uint32_t(fields.HiddenSize),
		head_dim: C.uint32_t(fields.HeadDim), max_position_embeddings: C.uint32_t(fields.MaxPositionEmbeddings),
		multi_query: number(fields.MultiQuery), new_decoder_architecture: number(fields.NewDecoderArchitecture),
		kv_lora_rank: C.uint32_t(fields.KVLoraRank), qk_rope_head_dim: C.uint32_t(fields.QKRopeHeadDim),
		qk_nope_head_dim: C.uint32_t(fields.QKNopeHeadDim), v_head_dim: C.uint32_t(fields.VHeadDim),
		sliding_window: C.uint32_t(fields.SlidingWindow), use_sliding_window: C.uint32_t(fields.UseSlidingWindow),
		max_window_layers: C.uint32_t(fields.MaxWindowLayers), sliding_window_pattern: C.uint32_t(fields.SlidingWindowPattern),
		num_layer_types: C.uint32_t(fields.NumLayerTypes), num_other_layers: C.uint32_t(fields.NumOtherLayers),
		key_projection_rows: C.uint32_t(fields.KeyProjectionRows)}
	for i, word := range fields.SlidingLayers {
		made.sliding_layers[i] = C.uint64_t(word)
	}
	made.model_type = (*C.char)(pin(&pins, text(fields.ModelType)))
	made.torch_dtype = (*C.char)(pin(&pins, text(fields.TorchDType)))
	hold()
	defer release()
	err := check(C.akv_model_from_fields(&made, model.c()))
	return model, err
}

// text is a C string in Go's memory; nil for none.
func text(from string) []byte {
	if from == "" {
		return nil
	}
	return append([]byte(from), 0)
}

// DetectKVHeads is KV heads from dimensions alone: rows of the key projection / head dim. queryHeads 0: not told.
func DetectKVHeads(keyProjectionRows uint64, headDim, queryHeads uint32) (uint32, error) {
	hold()
	defer release()
	var heads C.uint32_t
	err := check(C.akv_model_detect_kv_heads(C.uint64_t(keyProjectionRows), C.uint32_t(headDim), C.uint32_t(queryHeads), &heads))
	return uint32(heads), err
}

// Group is the model as a layer group for Config. dtype 0: the model's.
func (m *Model) Group(dtype DType) (Group, error) {
	model := m.sized()
	hold()
	defer release()
	return readGroup(func(group *C.akv_layer_group, planes *C.akv_plane, capacity C.uint32_t) C.akv_status {
		return C.akv_model_read_group(model.c(), C.uint32_t(dtype), group, C.sizeof_akv_layer_group, planes, capacity)
	})
}

// ModelSizes are exact bytes, without rounding to blocks.
type ModelSizes struct {
	structSize         uint32
	Attention          AttentionKind
	DType              DType
	NumLayers          uint32
	NumTokens          uint64
	BytesPerTokenLayer uint64
	BytesPerToken      uint64
	Bytes              uint64
	QueryHeadBytes     uint64
	SavedBytes         uint64
}

// Sizes is what the K/V of so many tokens take. dtype and numLayers 0: the model's.
func (m *Model) Sizes(dtype DType, numLayers uint32, numTokens uint64) (ModelSizes, error) {
	model := m.sized()
	sizes := ModelSizes{structSize: uint32(unsafe.Sizeof(ModelSizes{}))}
	hold()
	defer release()
	err := check(C.akv_model_read_sizes(model.c(), C.uint32_t(dtype), C.uint32_t(numLayers), C.uint64_t(numTokens),
		(*C.akv_model_sizes)(unsafe.Pointer(&sizes))))
	return sizes, err
}
