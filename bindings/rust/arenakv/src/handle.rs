//! handle.rs: what this crate holds of the C library: numbers for things inside a cache, and owners of opaque pointers.
//! The library looks every one of them up, so a stale one is `BadHandle` and never a crash. It knows no call but destroy.
use std::fmt;
use std::sync::Arc;

use arenakv_sys as sys;

use crate::error::{check, Result};

macro_rules! numbers {
    ($($(#[$about:meta])* $name:ident)*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The same as the C API has it. Any number may be made one: what is none is `BadHandle` where it is used.
            pub const fn from_raw(handle: u64) -> Self {
                Self(handle)
            }

            pub const fn as_raw(self) -> u64 {
                self.0
            }
        }
    )*};
}

numbers! {
    /// A sequence, for batches and to keep beside a request; [`Sequence`](crate::Sequence) owns it.
    SequenceId
    /// A plan; [`Plan`](crate::Plan) owns it.
    PlanId
    /// A lease; [`Lease`](crate::Lease) owns it.
    LeaseId
    /// A pin; [`Pin`](crate::Pin) owns it.
    PinId
    /// A ticket of a cache or of a page pool: work on a device that names blocks or pages. It must be retired or
    /// abandoned: until then nothing that was freed since is handed out.
    Ticket
}

impl Ticket {
    /// The C API's 0 is "nothing to wait for".
    pub(crate) fn option(raw: u64) -> Option<Ticket> {
        (raw != sys::AKV_NONE).then_some(Ticket(raw))
    }

    pub(crate) fn raw(ticket: Option<Ticket>) -> u64 {
        ticket.map_or(sys::AKV_NONE, Ticket::as_raw)
    }
}

/// An opaque type of the C API that is destroyed when its last owner goes.
pub(crate) trait Opaque {
    fn destroy(this: *mut Self) -> i32;
}

macro_rules! opaque {
    ($($name:ident $destroy:ident;)*) => {$(
        impl Opaque for sys::$name {
            fn destroy(this: *mut Self) -> i32 {
                unsafe { sys::$destroy(this) }
            }
        }
    )*};
}

opaque! {
    akv_cache akv_cache_destroy;
    akv_store akv_store_destroy;
    akv_stream akv_stream_destroy;
    akv_tracker akv_tracker_destroy;
    akv_pager akv_pager_destroy;
    akv_tail akv_tail_destroy;
    akv_page_pool akv_page_pool_destroy;
}

/// The owner of one, and what must outlive it.
pub(crate) struct Owner<T: Opaque> {
    raw: *mut T,
    _outlived: Vec<Arc<dyn Send + Sync>>,
}

// The C API looks the pointer up and never dereferences it; its calls are "any" in the headers' thread words.
unsafe impl<T: Opaque> Send for Owner<T> {}
unsafe impl<T: Opaque> Sync for Owner<T> {}

impl<T: Opaque> Owner<T> {
    pub(crate) fn create(create: impl FnOnce(*mut *mut T) -> i32) -> Result<Arc<Owner<T>>> {
        Owner::create_over(Vec::new(), create)
    }

    pub(crate) fn create_over(
        outlived: Vec<Arc<dyn Send + Sync>>,
        create: impl FnOnce(*mut *mut T) -> i32,
    ) -> Result<Arc<Owner<T>>> {
        let mut raw = std::ptr::null_mut();
        check(create(&mut raw))?;
        Ok(Arc::new(Owner { raw, _outlived: outlived }))
    }

    #[inline]
    pub(crate) fn raw(&self) -> *mut T {
        self.raw
    }

    /// End it now; the handle stays, and is stale from here on. Doing it twice is BAD_HANDLE.
    pub(crate) fn close(&self) -> Result<()> {
        check(T::destroy(self.raw))
    }
}

impl<T: Opaque> Drop for Owner<T> {
    fn drop(&mut self) {
        // Closed before, it is BAD_HANDLE; BUSY can't be: nobody else has this handle any more.
        T::destroy(self.raw);
    }
}

impl<T: Opaque> fmt::Debug for Owner<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.raw)
    }
}

pub(crate) type CacheOwner = Owner<sys::akv_cache>;
