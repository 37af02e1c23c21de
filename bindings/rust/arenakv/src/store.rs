//! store.rs: the bytes of a cache's blocks: memory, layout, views. Calls that read bytes borrow a store, calls that write
//! them borrow it mutably: so no safe program races on K/V. What moves bytes is in copy.rs.
use std::ffi::c_void;
use std::sync::Arc;

use arenakv_sys as sys;

use crate::error::{check, count_of, read_list, Error, Result};
use crate::handle::Owner;
use crate::{Cache, Columns, Dtype, Heads, Layout, Plane, PlaneRole, Status, Tracker, View, ViewMut};

pub use arenakv_sys::akv_copy_stats as CopyStats;
pub use arenakv_sys::akv_region as Region;
pub use arenakv_sys::akv_store_info as StoreInfo;

/// What a store is made of; zero means default (`arenakv/store.h`).
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    pub layout: Layout,
    pub heads: Heads,
    pub columns: Columns,
    /// A shard of the KV heads.
    pub first_head: u32,
    /// 0: all.
    pub num_heads: u32,
    /// Which layers of the cache are stored, ascending; empty: all.
    pub layers: Vec<u32>,
    /// Don't ask for huge pages.
    pub small_pages: bool,
    /// Where the memory is recorded; it lives as long as the store.
    pub tracker: Option<Tracker>,
}

/// How a plane lies in a store: what the checks of copies need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaneShape {
    pub role: PlaneRole,
    pub heads: u64,
    pub head_dim: u64,
    pub head_bytes: u64,
    pub scale_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct StoreCore {
    pub owner: Arc<Owner<sys::akv_store>>,
    pub planes: Vec<PlaneShape>,
    pub num_layers: u64,
    pub block_tokens: u32,
}

/// The bytes of a cache's blocks. It keeps the cache's geometry, not the cache: that may end first.
///
/// ```
/// # use arenakv::*;
/// let groups = vec![LayerGroup::keys_and_values(2, 1, 4, Dtype::F32)];
/// let cache = Cache::new(&CacheConfig { num_blocks: 4, groups, ..Default::default() })?;
/// let mut store = Store::new(&cache, &StoreConfig::default())?;
/// let keys = [1.0f32, 2.0, 3.0, 4.0];
/// store.copy_write_tokens(1, &[16], &[TokenData::new(0, &keys)])?; // layer 1, slot 16: block 1, token 0
/// let view = store.view(1, 0)?;
/// assert_eq!(view.shape(), [5, 16, 1, 4]);
/// assert_eq!(view.slice(0, 1, 1)?.slice(1, 0, 1)?.as_slice::<f32>()?, keys);
/// # Ok::<(), Error>(())
/// ```
///
/// A view borrows its store, so nothing writes under it:
///
/// ```compile_fail,E0502
/// # use arenakv::*;
/// # let cache = Cache::new(&CacheConfig::default()).unwrap();
/// # let mut store = Store::new(&cache, &StoreConfig::default()).unwrap();
/// let view = store.view(0, 0).unwrap();
/// store.copy_zero(&[1]).unwrap();
/// println!("{:?}", view.get::<u16>(&[1, 0, 0, 0]));
/// ```
#[derive(Debug)]
pub struct Store {
    pub(crate) core: Arc<StoreCore>,
}

impl StoreConfig {
    pub(crate) fn with_raw<R>(
        &self,
        regions: &[Region],
        call: impl FnOnce(&sys::akv_store_config) -> Result<R>,
    ) -> Result<R> {
        call(&sys::akv_store_config {
            flags: if self.small_pages { sys::AKV_STORE_SMALL_PAGES } else { 0 },
            device: sys::AKV_DEVICE_HOST,
            layout: self.layout.as_raw(),
            heads: self.heads.as_raw(),
            columns: self.columns.as_raw(),
            first_head: self.first_head,
            num_heads: self.num_heads,
            num_layers: count_of(self.layers.len(), "layers")?,
            layers: if self.layers.is_empty() { std::ptr::null() } else { self.layers.as_ptr() },
            num_regions: count_of(regions.len(), "regions")?,
            region_size: size_of::<Region>() as u32,
            regions: if regions.is_empty() { std::ptr::null() } else { regions.as_ptr() },
            tracker: self.tracker.as_ref().map_or(std::ptr::null_mut(), |tracker| tracker.owner.raw()),
            ..sys::akv_store_config::INIT
        })
    }

    pub(crate) fn outlived(&self) -> Vec<Arc<dyn Send + Sync>> {
        self.tracker.iter().map(|tracker| tracker.owner.clone() as Arc<dyn Send + Sync>).collect()
    }
}

impl Store {
    /// A store of the library's memory, which starts as zeroes.
    pub fn new(cache: &Cache, config: &StoreConfig) -> Result<Store> {
        unsafe { Store::over(cache, config, &[]) }
    }

    /// A store over memory of yours: a region for each stored layer and plane, planes innermost.
    ///
    /// # Safety
    /// The regions are memory that lives as long as the store, and nobody else reads or writes it while calls of this
    /// crate may.
    pub unsafe fn over(cache: &Cache, config: &StoreConfig, regions: &[Region]) -> Result<Store> {
        let planes = cache.group(0)?.planes;
        let owner = config.with_raw(regions, |raw| {
            Owner::create_over(config.outlived(), |out| unsafe { sys::akv_store_create(cache.as_raw(), raw, out) })
        })?;
        Store::own(owner, &planes)
    }

    pub(crate) fn own(owner: Arc<Owner<sys::akv_store>>, planes: &[Plane]) -> Result<Store> {
        let mut info = StoreInfo::INIT;
        check(unsafe { sys::akv_store_read_info(owner.raw(), &mut info) })?;
        let first_layer = first_layer(owner.raw())?;
        let shapes = planes.iter().enumerate().map(|(index, plane)| {
            let mut view = sys::akv_view::INIT;
            check(unsafe { sys::akv_store_read_view(owner.raw(), first_layer, index as u32, &mut view) })?;
            let heads = view.shape[if info.heads == sys::AKV_HEADS_OUTER { 1 } else { 2 }] as u64;
            let element = Dtype::from_raw(view.dtype).map_or(1, element_bytes);
            let shard = plane.kv_heads > 1 && info.num_heads != 0 && info.num_heads != plane.kv_heads;
            let of_all = u64::from(plane.scale_bytes);
            Ok(PlaneShape {
                role: plane.role,
                heads,
                head_dim: u64::from(plane.head_dim),
                head_bytes: view.shape[3] as u64 * element,
                scale_bytes: if shard { of_all / u64::from(plane.kv_heads) * heads } else { of_all },
            })
        });
        let (planes, num_layers) = (shapes.collect::<Result<_>>()?, u64::from(info.num_layers));
        Ok(Store { core: Arc::new(StoreCore { owner, planes, num_layers, block_tokens: info.block_tokens }) })
    }

    /// End it now; whatever comes later is `BadHandle`. `Busy` while a tail lives on it.
    pub fn close(&mut self) -> Result<()> {
        self.core.owner.close()
    }

    /// The C handle, for `arenakv_sys`.
    pub fn as_raw(&self) -> *mut sys::akv_store {
        self.core.owner.raw()
    }

    pub fn info(&self) -> Result<StoreInfo> {
        let mut info = StoreInfo::INIT;
        check(unsafe { sys::akv_store_read_info(self.as_raw(), &mut info) })?;
        Ok(info)
    }

    /// Touch all memory now. `progress` is told `done` of `total` bytes and says whether to go on.
    pub fn warm_up(&mut self, mut progress: impl FnMut(u64, u64) -> bool) -> Result<()> {
        unsafe extern "C" fn tell<F: FnMut(u64, u64) -> bool>(context: *mut c_void, done: u64, total: u64) -> i32 {
            let progress = unsafe { &mut *context.cast::<F>() };
            // A panic must not cross C: it stops the warm-up.
            let go_on = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| progress(done, total)));
            i32::from(!go_on.unwrap_or(false))
        }
        fn tell_of<F: FnMut(u64, u64) -> bool>(_: &F) -> sys::akv_progress_function {
            Some(tell::<F>)
        }
        let function = tell_of(&progress);
        check(unsafe { sys::akv_store_warm_up(self.as_raw(), function, (&raw mut progress).cast()) })
    }

    /// One region as it was laid out: for kernels that take pointers and strides.
    pub fn region(&self, layer: u32, plane: u32) -> Result<Region> {
        let (mut region, size) = (Region::INIT, size_of::<Region>() as u32);
        check(unsafe { sys::akv_store_read_region(self.as_raw(), layer, plane, &mut region, size) })?;
        Ok(region)
    }

    /// A layer's plane over all blocks: `[block][token][head][dim]`, or `[block][head][token][dim]`.
    pub fn view(&self, layer: u32, plane: u32) -> Result<View<'_>> {
        Ok(unsafe { View::from_raw(self.raw_view(layer, plane)?) })
    }

    /// The same to write.
    pub fn view_mut(&mut self, layer: u32, plane: u32) -> Result<ViewMut<'_>> {
        Ok(unsafe { ViewMut::from_raw(self.raw_view(layer, plane)?) })
    }

    /// One sequence whose blocks are neighbours, as [`Sequence::blocks`](crate::Sequence::blocks) tells them.
    pub fn sequence_view(&self, layer: u32, plane: u32, blocks: &[i32], num_tokens: u32) -> Result<View<'_>> {
        let (mut view, count) = (sys::akv_view::INIT, count_of(blocks.len(), "blocks")?);
        let (store, blocks) = (self.as_raw(), blocks.as_ptr());
        check(unsafe { sys::akv_store_read_sequence_view(store, layer, plane, blocks, count, num_tokens, &mut view) })?;
        Ok(unsafe { View::from_raw(view) })
    }

    /// Is this view one of this store's, and is the store alive?
    pub fn check_view(&self, view: &View<'_>) -> Result<()> {
        check(unsafe { sys::akv_store_check_view(self.as_raw(), view.as_raw()) })
    }

    /// Bytes of `num_tokens` packed tokens of some layers, as they are, or as numbers.
    pub fn span_bytes(&self, first_layer: u32, layers: u32, num_tokens: u32, numbers: Option<Dtype>) -> Result<u64> {
        let (mut bytes, dtype) = (0, numbers.map_or(0, Dtype::as_raw));
        check(unsafe { sys::akv_store_span_bytes(self.as_raw(), first_layer, layers, num_tokens, dtype, &mut bytes) })?;
        Ok(bytes)
    }

    /// What was moved: a line for each kind and direction.
    pub fn stats(&self) -> Result<Vec<CopyStats>> {
        let size = size_of::<CopyStats>() as u32;
        read_list(16, CopyStats::INIT, |lines, capacity, count| unsafe {
            sys::akv_store_read_stats(self.as_raw(), lines, size, capacity, count)
        })
    }

    fn raw_view(&self, layer: u32, plane: u32) -> Result<sys::akv_view> {
        let mut view = sys::akv_view::INIT;
        check(unsafe { sys::akv_store_read_view(self.as_raw(), layer, plane, &mut view) })?;
        Ok(view)
    }
}

impl StoreCore {
    /// Elements of a list of head scales: `[layer][plane][head]`.
    pub(crate) fn head_scales(&self, layers: u64) -> u64 {
        layers * self.planes.iter().map(|plane| plane.heads).sum::<u64>()
    }

    pub(crate) fn check_head_scales(&self, layers: u64, scales: Option<&[f32]>) -> Result<()> {
        match scales {
            Some(list) if (list.len() as u64) < self.head_scales(layers) => {
                Err(Error::too_short("head scales", self.head_scales(layers), list.len()))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn element_bytes(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::F32 => 4,
        Dtype::F16 | Dtype::Bf16 => 2,
        _ => 1,
    }
}

/// A layer that is stored: planes lie alike in all of them.
fn first_layer(store: *mut sys::akv_store) -> Result<u32> {
    let mut view = sys::akv_view::INIT;
    let mut layer = 0;
    loop {
        match check(unsafe { sys::akv_store_read_view(store, layer, 0, &mut view) }) {
            Err(error) if error.status() == Status::OutOfRange && layer < u32::from(u16::MAX) => layer += 1,
            result => return result.map(|()| layer),
        }
    }
}
