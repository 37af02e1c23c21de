//! view.rs: bytes described as a strided tensor, borrowed from the store or arena that has them: while a view lives,
//! nobody writes these bytes (`View`), or nobody else reads or writes them (`ViewMut`). Nothing here copies.
use std::fmt;
use std::marker::PhantomData;

use arenakv_sys as sys;

use crate::error::{check, count_of, Error, Result, Status};
use crate::Dtype;

/// A plain number: any bits are one, so bytes may be seen as it.
///
/// # Safety
/// The type has no padding, no invalid bits and no lifetime.
pub unsafe trait Element: Copy + Send + Sync + 'static {}

macro_rules! elements {
    ($($name:ident)*) => { $(unsafe impl Element for $name {})* };
}

elements!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

/// A strided tensor that is read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    raw: sys::akv_view,
    borrowed: PhantomData<&'a [u8]>,
}

// Bytes that nobody writes while this lives.
unsafe impl Send for View<'_> {}
unsafe impl Sync for View<'_> {}

/// A strided tensor that is written; [`ViewMut::as_view`] reads it.
pub struct ViewMut<'a> {
    raw: sys::akv_view,
    borrowed: PhantomData<&'a mut [u8]>,
}

// Bytes that nobody else sees while this lives.
unsafe impl Send for ViewMut<'_> {}
unsafe impl Sync for ViewMut<'_> {}

impl<'a> View<'a> {
    /// The bytes must be alive, and not be written, for `'a`.
    pub(crate) unsafe fn from_raw(raw: sys::akv_view) -> View<'a> {
        View { raw, borrowed: PhantomData }
    }

    /// As the C API has it: for DLPack and kernels that take pointers and strides.
    pub fn as_raw(&self) -> &sys::akv_view {
        &self.raw
    }

    /// `None`: one that this version of the crate does not know. Elements of 4 bits are told as bytes (`I8`).
    pub fn dtype(&self) -> Option<Dtype> {
        Dtype::from_raw(self.raw.dtype)
    }

    pub fn shape(&self) -> &[i64] {
        &self.raw.shape[..self.raw.num_dimensions as usize]
    }

    /// In bytes.
    pub fn strides(&self) -> &[i64] {
        &self.raw.strides[..self.raw.num_dimensions as usize]
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.raw.data.cast()
    }

    /// The part [first, first + count) of one dimension.
    pub fn slice(&self, dimension: u32, first: u64, count: u64) -> Result<View<'a>> {
        self.derived(|view, out| unsafe { sys::akv_view_slice(view, dimension, first, count, out) })
    }

    /// The same elements in the same order under another shape; one size may be -1. `NotContiguous` where it would take
    /// a copy.
    pub fn reshape(&self, shape: &[i64]) -> Result<View<'a>> {
        let count = count_of(shape.len(), "shape")?;
        self.derived(|view, out| unsafe { sys::akv_view_reshape(view, shape.as_ptr(), count, out) })
    }

    /// The same elements with the dimensions in another order.
    pub fn permute(&self, order: &[u32]) -> Result<View<'a>> {
        if order.len() != self.raw.num_dimensions as usize {
            return Err(Error::new(Status::InvalidArgument, "an order has an element for each dimension"));
        }
        self.derived(|view, out| unsafe { sys::akv_view_permute(view, order.as_ptr(), out) })
    }

    fn derived(&self, call: impl FnOnce(&sys::akv_view, *mut sys::akv_view) -> i32) -> Result<View<'a>> {
        let mut out = sys::akv_view::INIT;
        check(call(&self.raw, &mut out))?;
        Ok(View { raw: out, borrowed: PhantomData })
    }

    /// Are these elements one packed run of bytes, and how many bytes are they?
    pub fn measure(&self) -> Result<(bool, u64)> {
        let (mut contiguous, mut bytes) = (0, 0);
        check(unsafe { sys::akv_view_measure(&self.raw, &mut contiguous, &mut bytes) })?;
        Ok((contiguous != 0, bytes))
    }

    /// The elements as a slice. `NotContiguous` where they are not one run; `InvalidArgument` where `T` does not fit.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T]> {
        let (data, length) = run_of::<T>(self)?;
        Ok(unsafe { std::slice::from_raw_parts(data, length) })
    }

    /// One element; `None` beyond the shape, or where `T` does not fit.
    pub fn get<T: Element>(&self, index: &[i64]) -> Option<T> {
        if index.len() != self.shape().len() || size_of::<T>() != self.element_bytes() {
            return None;
        }
        let mut offset = 0;
        for ((at, size), stride) in index.iter().zip(self.shape()).zip(self.strides()) {
            if !(0..*size).contains(at) {
                return None;
            }
            offset += at * stride;
        }
        Some(unsafe { self.as_ptr().offset(offset as isize).cast::<T>().read_unaligned() })
    }

    fn element_bytes(&self) -> usize {
        match self.dtype() {
            Some(Dtype::F32) => 4,
            Some(Dtype::F16 | Dtype::Bf16) => 2,
            _ => 1,
        }
    }
}

/// Where the elements of a packed view begin, and how many `T` they are: whole elements of its own size, or bytes.
fn run_of<T: Element>(view: &View<'_>) -> Result<(*mut T, usize)> {
    let (contiguous, bytes) = view.measure()?;
    if !contiguous {
        return Err(Error::new(Status::NotContiguous, "the elements are not one packed run"));
    }
    let (size, data) = (size_of::<T>(), view.raw.data.cast::<T>());
    if (size != view.element_bytes() && size != 1) || !data.is_aligned() {
        let message = format!("elements of {size} bytes do not fit ones of {}", view.element_bytes());
        return Err(Error::new(Status::InvalidArgument, message));
    }
    // Of no elements there may be no address.
    Ok((if bytes == 0 { std::ptr::NonNull::dangling().as_ptr() } else { data }, bytes as usize / size))
}

impl<'a> ViewMut<'a> {
    /// The bytes must be alive, and nobody else's, for `'a`.
    pub(crate) unsafe fn from_raw(raw: sys::akv_view) -> ViewMut<'a> {
        ViewMut { raw, borrowed: PhantomData }
    }

    /// The same to read, or to look at.
    pub fn as_view(&self) -> View<'_> {
        View { raw: self.raw, borrowed: PhantomData }
    }

    /// The part [first, first + count) of one dimension.
    pub fn slice(self, dimension: u32, first: u64, count: u64) -> Result<ViewMut<'a>> {
        let raw = self.as_view().slice(dimension, first, count)?.raw;
        Ok(ViewMut { raw, borrowed: PhantomData })
    }

    /// The elements as a slice, as [`View::as_slice`].
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        let (data, length) = run_of::<T>(&self.as_view())?;
        Ok(unsafe { std::slice::from_raw_parts_mut(data, length) })
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "View({:?}, {:?}, strides {:?})", self.dtype(), self.shape(), self.strides())
    }
}

impl fmt::Debug for ViewMut<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_view().fmt(out)
    }
}
