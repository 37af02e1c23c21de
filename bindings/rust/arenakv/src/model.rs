//! model.rs: what a cache must know of a model, by name or by the numbers of a config.json, and how much fits into a
//! memory. Numbers only; nothing here allocates.
use std::ffi::{CStr, CString};

use arenakv_sys as sys;

use crate::error::{check, Error, Result, Status};
use crate::geometry::LayerGroup;
use crate::{Dtype, Sliding};

pub use arenakv_sys::akv_model_sizes as ModelSizes;
pub use arenakv_sys::akv_page_size as PageSize;
pub use arenakv_sys::akv_planner_result as PlannerResult;

/// What is asked of the planner; zero means default (`arenakv/planner.h`). `struct_size` is set by the calls.
pub use arenakv_sys::akv_planner_request as PlannerRequest;

/// A model: find one, or fill one in.
///
/// ```
/// let model = arenakv::Model::find("mistral-7b")?;
/// let request = arenakv::PlannerRequest { context_tokens: 4096, ..Default::default() };
/// assert_eq!(model.need(&request)?.sequence_block_bytes, 536_870_912);
/// # Ok::<(), arenakv::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Model {
    /// As the C API has it (`arenakv/model.h`). `struct_size` is set by the calls.
    pub numbers: sys::akv_model,
}

/// The numbers of a config.json under their own names; 0 and `None`: absent.
#[derive(Clone, Debug, Default)]
pub struct ModelFields {
    pub num_hidden_layers: u32,
    pub num_attention_heads: u32,
    pub num_key_value_heads: u32,
    pub hidden_size: u32,
    pub head_dim: u32,
    pub max_position_embeddings: u32,
    pub multi_query: bool,
    pub new_decoder_architecture: bool,
    pub kv_lora_rank: u32,
    pub qk_rope_head_dim: u32,
    pub qk_nope_head_dim: u32,
    pub v_head_dim: u32,
    pub sliding_window: u32,
    pub use_sliding_window: Sliding,
    pub max_window_layers: u32,
    pub sliding_window_pattern: u32,
    pub num_layer_types: u32,
    /// Bit l % 64 of word l / 64: layer l has the window.
    pub sliding_layers: [u64; 4],
    pub num_other_layers: u32,
    pub key_projection_rows: u32,
    pub model_type: Option<String>,
    pub torch_dtype: Option<String>,
}

impl Model {
    /// The model of this name: case, punctuation and one owner in front do not count.
    pub fn find(name: &str) -> Result<Model> {
        let (name, mut model) = (text(Some(name))?, Model::default());
        check(unsafe { sys::akv_model_find(pointer(&name), &mut model.numbers) })?;
        Ok(model)
    }

    /// The model that these numbers describe.
    pub fn from_fields(fields: &ModelFields) -> Result<Model> {
        let (model_type, torch_dtype) = (text(fields.model_type.as_deref())?, text(fields.torch_dtype.as_deref())?);
        let raw = sys::akv_model_fields {
            num_hidden_layers: fields.num_hidden_layers,
            num_attention_heads: fields.num_attention_heads,
            num_key_value_heads: fields.num_key_value_heads,
            hidden_size: fields.hidden_size,
            head_dim: fields.head_dim,
            max_position_embeddings: fields.max_position_embeddings,
            multi_query: fields.multi_query.into(),
            new_decoder_architecture: fields.new_decoder_architecture.into(),
            kv_lora_rank: fields.kv_lora_rank,
            qk_rope_head_dim: fields.qk_rope_head_dim,
            qk_nope_head_dim: fields.qk_nope_head_dim,
            v_head_dim: fields.v_head_dim,
            sliding_window: fields.sliding_window,
            use_sliding_window: fields.use_sliding_window.as_raw(),
            max_window_layers: fields.max_window_layers,
            sliding_window_pattern: fields.sliding_window_pattern,
            num_layer_types: fields.num_layer_types,
            sliding_layers: fields.sliding_layers,
            num_other_layers: fields.num_other_layers,
            key_projection_rows: fields.key_projection_rows,
            model_type: pointer(&model_type),
            torch_dtype: pointer(&torch_dtype),
            ..sys::akv_model_fields::INIT
        };
        let mut model = Model::default();
        check(unsafe { sys::akv_model_from_fields(&raw, &mut model.numbers) })?;
        Ok(model)
    }

    /// The name of a preset, numbered from 1 without gaps.
    pub fn name(preset: u32) -> Option<&'static str> {
        static_text(unsafe { sys::akv_model_name(preset) })
    }

    /// "Llama".
    pub fn family_name(&self) -> &'static str {
        static_text(unsafe { sys::akv_family_name(self.numbers.family) }).unwrap_or("")
    }

    /// "GQA".
    pub fn attention_name(&self) -> &'static str {
        static_text(unsafe { sys::akv_attention_name(self.numbers.attention) }).unwrap_or("")
    }

    /// As a layer group for a cache; `dtype` `None`: the model's.
    pub fn group(&self, dtype: Option<Dtype>) -> Result<LayerGroup> {
        let raw = self.raw();
        LayerGroup::read(|out, size, planes, capacity| unsafe {
            sys::akv_model_read_group(&raw, dtype.map_or(0, Dtype::as_raw), out, size, planes, capacity)
        })
    }

    /// Exact bytes of so many tokens, without rounding to blocks. `num_layers` 0: all.
    pub fn sizes(&self, dtype: Option<Dtype>, num_layers: u32, num_tokens: u64) -> Result<ModelSizes> {
        let (raw, mut sizes) = (self.raw(), ModelSizes::INIT);
        let dtype = dtype.map_or(0, Dtype::as_raw);
        check(unsafe { sys::akv_model_read_sizes(&raw, dtype, num_layers, num_tokens, &mut sizes) })?;
        Ok(sizes)
    }

    /// The most blocks that a budget holds, and how many sequences that is.
    pub fn fit(&self, request: &PlannerRequest) -> Result<PlannerResult> {
        let (raw, request, mut result) = (self.raw(), sized(request), PlannerResult::INIT);
        check(unsafe { sys::akv_planner_fit(&raw, &request, &mut result) })?;
        Ok(result)
    }

    /// The memory that sequences of a context take.
    pub fn need(&self, request: &PlannerRequest) -> Result<PlannerResult> {
        let (raw, request, mut result) = (self.raw(), sized(request), PlannerResult::INIT);
        check(unsafe { sys::akv_planner_need(&raw, &request, &mut result) })?;
        Ok(result)
    }

    /// The size of pages in which a sequence's tensors lie one by one.
    pub fn page_size(&self, request: &PlannerRequest) -> Result<PageSize> {
        let (raw, request, mut size) = (self.raw(), sized(request), PageSize::INIT);
        check(unsafe { sys::akv_planner_page_size(&raw, &request, &mut size) })?;
        Ok(size)
    }

    fn raw(&self) -> sys::akv_model {
        sys::akv_model { struct_size: sys::akv_model::INIT.struct_size, ..self.numbers }
    }
}

/// A size that a caller has changed would have the library read beyond the struct.
fn sized(request: &PlannerRequest) -> PlannerRequest {
    PlannerRequest { struct_size: PlannerRequest::INIT.struct_size, ..*request }
}

/// KV heads from dimensions alone; `query_heads` 0: not told, not checked.
pub fn model_detect_kv_heads(key_projection_rows: u64, head_dim: u32, query_heads: u32) -> Result<u32> {
    let mut kv_heads = 0;
    check(unsafe { sys::akv_model_detect_kv_heads(key_projection_rows, head_dim, query_heads, &mut kv_heads) })?;
    Ok(kv_heads)
}

fn text(text: Option<&str>) -> Result<Option<CString>> {
    let error = |_| Error::new(Status::InvalidArgument, "a name has a zero byte inside");
    text.map(CString::new).transpose().map_err(error)
}

fn pointer(text: &Option<CString>) -> *const std::ffi::c_char {
    text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
}

/// Text of the library's own, which is there for ever.
pub(crate) fn static_text(text: *const std::ffi::c_char) -> Option<&'static str> {
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().unwrap_or(""))
}
