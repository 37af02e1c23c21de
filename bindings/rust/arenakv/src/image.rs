//! image.rs: one saved sequence as bytes: saved, checked, written to a file, read back and loaded.
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use arenakv_sys as sys;

use crate::copy::raw::NOW;
use crate::copy::raw_stores;
use crate::error::{check, count_of, Error, Result, Status};
use crate::geometry::LayerGroup;
use crate::{Cache, Created, Sequence, SequenceOptions, Store};

pub use arenakv_sys::akv_image_info as ImageInfo;

/// Words of your own for all that made these K/V: weights, adapter, quantization ... (a digest of them).
pub type Label = [u8; sys::AKV_LABEL_BYTES as usize];

/// A saved sequence. It says nothing of block sizes, layouts or domains: it loads into any cache of the same planes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    // Token ids are read in place, so it lies at a multiple of 4.
    words: Vec<u32>,
    bytes: usize,
}

/// How a sequence is saved; zero means default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveOptions<'a> {
    /// 0: all that are committed.
    pub num_tokens: u32,
    pub label: Option<&'a Label>,
    /// Whatever writes these K/V has been done: don't ask tickets.
    pub ordered: bool,
}

/// How an image is loaded; zero means default.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions<'a> {
    /// The trust domain that the sequence becomes one of.
    pub domain: u64,
    /// That must be the image's.
    pub label: Option<&'a Label>,
    /// Don't compare labels.
    pub any_label: bool,
    pub sequence: SequenceOptions,
}

impl Image {
    /// A copy of bytes that came from elsewhere. Not checked here.
    pub fn from_bytes(bytes: &[u8]) -> Image {
        let mut image = Image::empty(bytes.len());
        image.as_mut_bytes().copy_from_slice(bytes);
        image
    }

    fn empty(bytes: usize) -> Image {
        Image { words: vec![0; bytes.div_ceil(4)], bytes }
    }

    pub fn as_bytes(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.bytes) }
    }

    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.bytes) }
    }

    fn raw(&self) -> (*const std::ffi::c_void, u64) {
        (self.words.as_ptr().cast(), self.bytes as u64)
    }

    /// Check every byte of it.
    pub fn check(&self) -> Result<ImageInfo> {
        let (mut info, (data, bytes)) = (ImageInfo::INIT, self.raw());
        check(unsafe { sys::akv_image_check(data, bytes, &mut info) })?;
        Ok(info)
    }

    /// The layer group that it is of: to make a cache for it.
    pub fn group(&self) -> Result<LayerGroup> {
        let (data, bytes) = self.raw();
        LayerGroup::read(|out, size, planes, capacity| unsafe {
            sys::akv_image_read_group(data, bytes, out, size, planes, capacity)
        })
    }

    /// Token ids from position `first` on into `out`.
    pub fn read_tokens(&self, first: u32, out: &mut [i32]) -> Result<()> {
        let ((data, bytes), count) = (self.raw(), count_of(out.len(), "out")?);
        check(unsafe { sys::akv_image_read_tokens(data, bytes, first, count, out.as_mut_ptr()) })
    }

    /// Put it into a file, which at every moment holds the old image or the new one, whole.
    pub fn write_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, (data, bytes)) = (c_path(path.as_ref())?, self.raw());
        check(unsafe { sys::akv_image_write_file(path.as_ptr(), data, bytes) })
    }

    /// Read one out of a file. Its header is checked; [`Image::check`] and loading check all.
    pub fn read_file(path: impl AsRef<Path>) -> Result<Image> {
        let path = c_path(path.as_ref())?;
        let mut image = Image::empty(0);
        loop {
            let (mut bytes, capacity) = (0, image.bytes as u64);
            let data = if capacity == 0 { std::ptr::null_mut() } else { image.words.as_mut_ptr().cast() };
            match check(unsafe { sys::akv_image_read_file(path.as_ptr(), data, capacity, &mut bytes) }) {
                Err(error) if error.status() == Status::BufferTooSmall && bytes > capacity => {
                    image = Image::empty(bytes as usize);
                }
                result => {
                    image.bytes = bytes as usize;
                    return result.map(|()| image);
                }
            }
        }
    }
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(Status::InvalidArgument, "a path has a zero byte inside"))
}

impl Sequence {
    /// Make an image of its committed tokens. `stores` are all shards of the cache's blocks.
    pub fn copy_save(&mut self, stores: &[&Store], options: &SaveOptions<'_>) -> Result<Image> {
        let stores: Vec<_> = stores.iter().map(|store| store.as_raw()).collect();
        let raw = sys::akv_save_options {
            flags: if options.ordered { sys::AKV_SAVE_ORDERED } else { 0 },
            num_tokens: options.num_tokens,
            label: options.label.map_or(std::ptr::null(), |label| label.as_ptr()),
            ..sys::akv_save_options::INIT
        };
        let needed = self.image_bytes(options.num_tokens)?;
        let mut image = Image::empty(needed as usize);
        let (cache, id, count) = (self.cache().as_raw(), self.id().as_raw(), count_of(stores.len(), "stores")?);
        let (mut bytes, buffer) = (0, image.words.as_mut_ptr().cast());
        check(unsafe { sys::akv_copy_save(cache, id, stores.as_ptr(), count, &raw, buffer, needed, &mut bytes, NOW) })?;
        image.bytes = bytes as usize;
        Ok(image)
    }
}

impl Cache {
    /// Make a sequence out of an image. All of it is checked before anything changes; what is cached of it is shared, the
    /// rest is written into `stores` and committed.
    pub fn copy_load(&self, image: &Image, stores: &mut [&mut Store], options: &LoadOptions<'_>) -> Result<Created> {
        let (sequence, stores) = (options.sequence.to_raw(), raw_stores(stores));
        let raw = sys::akv_load_options {
            flags: if options.any_label { sys::AKV_LOAD_ANY_LABEL } else { 0 },
            domain: options.domain,
            label: options.label.map_or(std::ptr::null(), |label| label.as_ptr()),
            sequence: &sequence,
            ..sys::akv_load_options::INIT
        };
        let (mut created, (data, bytes)) = (sys::akv_created::INIT, image.raw());
        let (cache, count, stores) = (self.as_raw(), count_of(stores.len(), "stores")?, stores.as_ptr());
        check(unsafe { sys::akv_copy_load(cache, data, bytes, &raw, stores, count, &mut created, NOW) })?;
        Ok(Created::from_raw(self, &created))
    }
}
