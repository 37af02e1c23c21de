//! data.rs: the caller's memory that copies read and write: K/V of tokens, and packed spans of sequences. It checks that
//! slices are as long as a copy needs; everything else the library checks.
use std::ffi::c_void;
use std::marker::PhantomData;

use arenakv_sys as sys;

use crate::error::{count_of, Error, Result, Status};
use crate::store::{element_bytes, PlaneShape, StoreCore};
use crate::{Dtype, Element};

#[derive(Clone, Copy, Debug)]
struct Tokens {
    raw: sys::akv_token_data,
    bytes: usize,
    scales_bytes: usize,
}

impl Tokens {
    fn new(plane: u32, data: *mut c_void, bytes: usize) -> Tokens {
        Tokens { raw: sys::akv_token_data { plane, data, ..sys::akv_token_data::INIT }, bytes, scales_bytes: 0 }
    }

    /// What the library may touch must lie in the slices.
    fn check(&self, shape: &PlaneShape, num_tokens: u64) -> Result<()> {
        let numbers = Dtype::from_raw(self.raw.dtype).map(element_bytes);
        let head = numbers.map_or(shape.head_bytes, |bytes| shape.head_dim * bytes);
        let token = head * shape.heads;
        let needed =
            extent(&[(self.raw.token_stride, token, num_tokens), (self.raw.head_stride, head, shape.heads)], head)?;
        if (self.bytes as u64) < needed {
            return Err(Error::too_short("data", needed, self.bytes));
        }
        if let Some(bytes) = numbers {
            aligned(self.raw.data, &[self.raw.token_stride, self.raw.head_stride], bytes)?;
        }
        let scales = match numbers {
            _ if self.raw.scales.is_null() => 0,
            Some(_) => shape.heads * 4,
            None => extent(&[(self.raw.scale_stride, shape.scale_bytes, num_tokens)], shape.scale_bytes)?,
        };
        if (self.scales_bytes as u64) < scales {
            return Err(Error::too_short("scales", scales, self.scales_bytes));
        }
        Ok(())
    }
}

/// Bytes from the first element on that strided loops reach; a stride of 0 is the packed one.
pub(crate) fn extent(loops: &[(i64, u64, u64)], innermost: u64) -> Result<u64> {
    let mut needed = innermost;
    for &(stride, packed, count) in loops {
        if count == 0 {
            return Ok(0);
        }
        let stride = if stride == 0 { packed } else { u64::try_from(stride).map_err(|_| not_negative(stride))? };
        let reached = stride.checked_mul(count - 1).and_then(|before| before.checked_add(needed));
        needed = reached.ok_or_else(|| Error::new(Status::OutOfRange, "strides that reach beyond 2^64 bytes"))?;
    }
    Ok(needed)
}

#[cold]
fn not_negative(stride: i64) -> Error {
    Error::new(Status::InvalidArgument, format!("a stride is {stride}, must not be negative"))
}

/// Numbers are read where they lie.
pub(crate) fn aligned(data: *const c_void, strides: &[i64], bytes: u64) -> Result<()> {
    if data as u64 % bytes == 0 && strides.iter().all(|stride| stride % bytes as i64 == 0) {
        return Ok(());
    }
    Err(Error::new(Status::InvalidArgument, format!("numbers of {bytes} bytes must lie at multiples of that")))
}

macro_rules! tokens {
    ($($(#[$about:meta])* $name:ident $slice:ty, $pointer:ident;)*) => {$(
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name<'b> {
            tokens: Tokens,
            borrowed: PhantomData<$slice>,
        }

        // What it points to is borrowed as the slice was.
        unsafe impl Send for $name<'_> {}

        impl<'b> $name<'b> {
            /// Of one plane, an index in [`LayerGroup::planes`](crate::LayerGroup): packed, and as the plane keeps them.
            pub fn new<T: Element>(plane: u32, data: tokens!(@slice $pointer 'b T)) -> $name<'b> {
                let (bytes, data) = (size_of_val(data), data.$pointer() as *mut c_void);
                $name { tokens: Tokens::new(plane, data, bytes), borrowed: PhantomData }
            }

            /// They are numbers of this dtype (F32, F16, BF16), and converted.
            pub fn numbers(mut self, dtype: Dtype) -> Self {
                self.tokens.raw.dtype = dtype.as_raw();
                self
            }

            /// Bytes from token to token and from head to head: a part of a fused tensor.
            pub fn strides(mut self, token: i64, head: i64) -> Self {
                (self.tokens.raw.token_stride, self.tokens.raw.head_stride) = (token, head);
                self
            }

            /// Scales that are moved with the elements, packed.
            pub fn scales<T: Element>(mut self, scales: tokens!(@slice $pointer 'b T)) -> Self {
                self.tokens.scales_bytes = size_of_val(scales);
                self.tokens.raw.scales = scales.$pointer() as *mut c_void;
                self
            }

            /// With [`Scaling::Head`](crate::Scaling): what numbers are converted with, one for each head of the store.
            pub fn head_scales(mut self, scales: &'b [f32]) -> Self {
                self.tokens.scales_bytes = size_of_val(scales);
                self.tokens.raw.scales = scales.as_ptr() as *mut c_void;
                self
            }

            pub(crate) fn to_raw(&self, store: &StoreCore, num_tokens: usize) -> Result<sys::akv_token_data> {
                // A plane that does not exist is the library's to refuse.
                if let Some(shape) = store.planes.get(self.tokens.raw.plane as usize) {
                    self.tokens.check(shape, num_tokens as u64)?;
                }
                Ok(self.tokens.raw)
            }
        }
    )*};
    (@slice as_ptr $life:lifetime $type:ident) => { &$life [$type] };
    (@slice as_mut_ptr $life:lifetime $type:ident) => { &$life mut [$type] };
}

tokens! {
    /// K/V of tokens that are written to a store.
    TokenData &'b [u8], as_ptr;
    /// Memory that K/V of tokens are read into.
    TokenDataMut &'b mut [u8], as_mut_ptr;
}

#[derive(Clone, Copy, Debug)]
struct SpanParts<'b> {
    raw: sys::akv_span,
    blocks: &'b [i32],
    scales: Option<&'b [f32]>,
}

impl SpanParts<'_> {
    fn to_raw(self, store: &StoreCore) -> Result<sys::akv_span> {
        let raw = self.raw;
        let layers = if raw.num_layers == 0 { store.num_layers } else { u64::from(raw.num_layers) };
        store.check_head_scales(layers, self.scales)?;
        if let Some(dtype) = Dtype::from_raw(raw.dtype) {
            aligned(raw.data, &[], element_bytes(dtype))?;
        }
        Ok(sys::akv_span {
            blocks: self.blocks.as_ptr(),
            num_blocks: count_of(self.blocks.len(), "blocks")?,
            head_scales: self.scales.map_or(std::ptr::null(), <[f32]>::as_ptr),
            ..raw
        })
    }
}

macro_rules! spans {
    ($($(#[$about:meta])* $name:ident $slice:ty, $pointer:ident;)*) => {$(
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name<'b> {
            span: SpanParts<'b>,
            borrowed: PhantomData<$slice>,
        }

        // What it points to is borrowed as the slice was.
        unsafe impl Send for $name<'_> {}

        impl<'b> $name<'b> {
            /// Tokens `first_token` to `first_token + num_tokens` of these blocks, in all layers; `data` is
            /// `[layer][plane][token][head][dim]`, a plane's scales behind its elements.
            pub fn new<T: Element>(
                blocks: &'b [i32], first_token: u32, num_tokens: u32, data: tokens!(@slice $pointer 'b T),
            ) -> $name<'b> {
                let (bytes, data) = (size_of_val(data) as u64, data.$pointer() as *mut c_void);
                let raw = sys::akv_span { first_token, num_tokens, bytes, data, ..sys::akv_span::INIT };
                $name { span: SpanParts { raw, blocks, scales: None }, borrowed: PhantomData }
            }

            /// Some layers of the cache; `num_layers` 0: from the first on, all that are stored.
            pub fn layers(mut self, first_layer: u32, num_layers: u32) -> Self {
                (self.span.raw.first_layer, self.span.raw.num_layers) = (first_layer, num_layers);
                self
            }

            /// They are numbers of this dtype (F32, F16, BF16), and converted.
            pub fn numbers(mut self, dtype: Dtype) -> Self {
                self.span.raw.dtype = dtype.as_raw();
                self
            }

            /// Of planes with [`Scaling::Head`](crate::Scaling): `[layer][plane][head]`.
            pub fn head_scales(mut self, scales: &'b [f32]) -> Self {
                self.span.scales = Some(scales);
                self
            }

            pub(crate) fn to_raw(&self, store: &StoreCore) -> Result<sys::akv_span> {
                self.span.to_raw(store)
            }
        }
    )*};
}

spans! {
    /// A stretch of one sequence, and the packed memory that it is scattered from.
    Span &'b [u8], as_ptr;
    /// A stretch of one sequence, and the packed memory that it is gathered into.
    SpanMut &'b mut [u8], as_mut_ptr;
}
