//! geometry.rs: what a block is in bytes: planes, groups of layers, formats. Numbers only; it knows no cache.
use arenakv_sys as sys;

use crate::error::{check, count_of, Error, Result, Status};
use crate::{Dtype, Format, PlaneRole, Scaling};

/// What a cache of some shape needs, in bytes.
pub use arenakv_sys::akv_sizes as Sizes;

/// One plane of one layer: heads x dim elements for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plane {
    pub role: PlaneRole,
    pub dtype: Dtype,
    pub kv_heads: u32,
    pub head_dim: u32,
    /// Bytes of scales for each token, inside the block; 0: none, or as `scaling` wants it.
    pub scale_bytes: u32,
    pub scaling: Scaling,
}

/// Layers that share a block table.
///
/// ```
/// use arenakv::{Dtype, Format, LayerGroup};
/// let mut group = LayerGroup::keys_and_values(32, 8, 128, Dtype::F16);
/// group.choose(Format::I8, 16)?;
/// assert_eq!(group.planes[0].scale_bytes, 8 * 4);
/// # Ok::<(), arenakv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerGroup {
    pub num_layers: u32,
    pub planes: Vec<Plane>,
    /// Of each layer, for reports only; 0: not told.
    pub query_heads: u32,
}

impl Plane {
    pub fn new(role: PlaneRole, dtype: Dtype, kv_heads: u32, head_dim: u32) -> Plane {
        Plane { role, dtype, kv_heads, head_dim, scale_bytes: 0, scaling: Scaling::None }
    }

    pub(crate) fn to_raw(self) -> sys::akv_plane {
        sys::akv_plane {
            role: self.role.as_raw(),
            dtype: self.dtype.as_raw(),
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            scale_bytes: self.scale_bytes,
            scaling: self.scaling.as_raw(),
        }
    }

    pub(crate) fn from_raw(raw: &sys::akv_plane) -> Result<Plane> {
        Ok(Plane {
            role: known(PlaneRole::from_raw(raw.role), "role", raw.role)?,
            dtype: known(Dtype::from_raw(raw.dtype), "dtype", raw.dtype)?,
            kv_heads: raw.kv_heads,
            head_dim: raw.head_dim,
            scale_bytes: raw.scale_bytes,
            scaling: known(Scaling::from_raw(raw.scaling), "scaling", raw.scaling)?,
        })
    }
}

impl LayerGroup {
    /// Equal layers with a plane of keys and a plane of values.
    pub fn keys_and_values(num_layers: u32, kv_heads: u32, head_dim: u32, dtype: Dtype) -> LayerGroup {
        let plane = |role| Plane::new(role, dtype, kv_heads, head_dim);
        LayerGroup { num_layers, planes: vec![plane(PlaneRole::Keys), plane(PlaneRole::Values)], query_heads: 0 }
    }

    /// Set dtype, scaling and scales of all planes to a format. On failure no plane has changed.
    pub fn choose(&mut self, format: Format, block_tokens: u32) -> Result<()> {
        let mut planes = self.raw_planes();
        let (count, size) = (count_of(planes.len(), "planes")?, size_of::<sys::akv_plane>() as u32);
        check(unsafe { sys::akv_planes_choose(planes.as_mut_ptr(), count, size, format.as_raw(), block_tokens) })?;
        self.planes = planes.iter().map(Plane::from_raw).collect::<Result<_>>()?;
        Ok(())
    }

    pub(crate) fn raw_planes(&self) -> Vec<sys::akv_plane> {
        self.planes.iter().map(|plane| plane.to_raw()).collect()
    }

    /// The C struct over `planes`, which are this group's and must stay.
    pub(crate) fn raw_over(&self, planes: &[sys::akv_plane]) -> Result<sys::akv_layer_group> {
        Ok(sys::akv_layer_group {
            rule: sys::AKV_RULE_FULL,
            num_layers: self.num_layers,
            num_planes: count_of(planes.len(), "planes")?,
            plane_size: size_of::<sys::akv_plane>() as u32,
            planes: planes.as_ptr(),
            query_heads: self.query_heads,
            unused: 0,
        })
    }

    /// Reads a group through a call that fills a group and an array of planes.
    pub(crate) fn read(
        mut read: impl FnMut(*mut sys::akv_layer_group, u32, *mut sys::akv_plane, u32) -> i32,
    ) -> Result<LayerGroup> {
        let mut planes = [sys::akv_plane::INIT; 64];
        let mut group = sys::akv_layer_group::INIT;
        group.plane_size = size_of::<sys::akv_plane>() as u32;
        let size = size_of::<sys::akv_layer_group>() as u32;
        check(read(&mut group, size, planes.as_mut_ptr(), planes.len() as u32))?;
        let planes = planes[..group.num_planes as usize].iter().map(Plane::from_raw).collect::<Result<_>>()?;
        Ok(LayerGroup { num_layers: group.num_layers, planes, query_heads: group.query_heads })
    }
}

/// A number of a set that this crate knows; else UNSUPPORTED.
pub(crate) fn known<T>(choice: Option<T>, what: &str, value: u32) -> Result<T> {
    choice.ok_or_else(|| Error::new(Status::Unsupported, format!("{what} {value} is not known to this crate")))
}

/// Blocks that so many tokens take; 0 if `block_tokens` is 0.
pub fn blocks_for(num_tokens: u64, block_tokens: u32) -> u64 {
    unsafe { sys::akv_blocks_for(num_tokens, block_tokens) }
}
