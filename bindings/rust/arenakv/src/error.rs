//! error.rs: what a call answers, as `Result`: a status, its message and its numbers. It knows no call.
use std::fmt;

use arenakv_sys as sys;

/// What every fallible call of this crate answers.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! statuses {
    ($($(#[$about:meta])* $name:ident = $value:ident,)*) => {
        /// Why a call failed: the statuses of `arenakv/status.h`, by their own names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Status {
            $($(#[$about])* $name,)*
            /// One that this version of the crate does not know.
            Unknown,
        }

        impl Status {
            /// The status of a number of the C API; `None` for `AKV_OK`.
            pub fn from_raw(status: i32) -> Option<Status> {
                match status {
                    0 => None,
                    $(sys::$value => Some(Status::$name),)*
                    _ => Some(Status::Unknown),
                }
            }

            /// Its number in the C API, `None` for `Unknown`.
            pub fn as_raw(self) -> Option<i32> {
                match self {
                    $(Status::$name => Some(sys::$value),)*
                    Status::Unknown => None,
                }
            }

            /// The name in the C API without its prefix: `NO_BLOCKS`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Status::$name => stringify!($value).trim_start_matches("AKV_ERROR_"),)*
                    Status::Unknown => "UNKNOWN",
                }
            }
        }
    };
}

statuses! {
    /// NULL, zero, a value outside its set.
    InvalidArgument = AKV_ERROR_INVALID_ARGUMENT,
    /// A position or a length beyond what is there.
    OutOfRange = AKV_ERROR_OUT_OF_RANGE,
    /// An output buffer; the error names the size needed.
    BufferTooSmall = AKV_ERROR_BUFFER_TOO_SMALL,
    /// Understood, and not in this release or this build.
    Unsupported = AKV_ERROR_UNSUPPORTED,
    /// Stale, closed, or never one of this cache's.
    BadHandle = AKV_ERROR_BAD_HANDLE,
    /// A handle of another kind.
    WrongType = AKV_ERROR_WRONG_TYPE,
    /// Another call is inside it at this moment: try again.
    Busy = AKV_ERROR_BUSY,
    /// A plan is open on it: finish or abandon that first.
    PlanOpen = AKV_ERROR_PLAN_OPEN,
    /// Bytes must be copied or zeroed first, and the call hands out no plan.
    PlanNeeded = AKV_ERROR_PLAN_NEEDED,
    /// A shared block would have to be copied before its K/V exist.
    NotCommitted = AKV_ERROR_NOT_COMMITTED,
    /// K/V behind it was given up with an abandoned ticket.
    ContentLost = AKV_ERROR_CONTENT_LOST,
    /// A request id that a live sequence has.
    AlreadyExists = AKV_ERROR_ALREADY_EXISTS,
    /// Nothing of that name.
    NotFound = AKV_ERROR_NOT_FOUND,
    /// The sequence's K/V are in the swap blocks: swap it in first.
    Swapped = AKV_ERROR_SWAPPED,
    /// What it has to wait for has not finished: wait, or try again.
    NotReady = AKV_ERROR_NOT_READY,
    /// One strided tensor was asked for, and these bytes are not one.
    NotContiguous = AKV_ERROR_NOT_CONTIGUOUS,
    /// Not enough blocks are free or evictable: wait, free, or preempt.
    NoBlocks = AKV_ERROR_NO_BLOCKS,
    /// `max_sequences` are live.
    NoSequences = AKV_ERROR_NO_SEQUENCES,
    /// The sequence may never be that long.
    NoCapacity = AKV_ERROR_NO_CAPACITY,
    /// `max_open_tickets` lie between the oldest open one and the next.
    NoTickets = AKV_ERROR_NO_TICKETS,
    /// `max_holds` pins and leases exist.
    NoHolds = AKV_ERROR_NO_HOLDS,
    /// `max_plans` plans are open.
    NoPlans = AKV_ERROR_NO_PLANS,
    /// `max_pinned_blocks` would be exceeded.
    PinBudget = AKV_ERROR_PIN_BUDGET,
    /// As many caches exist in this process as can.
    NoCaches = AKV_ERROR_NO_CACHES,
    /// Not enough swap blocks are free.
    NoSwapBlocks = AKV_ERROR_NO_SWAP_BLOCKS,
    /// Of the host; only set-up allocates.
    OutOfMemory = AKV_ERROR_OUT_OF_MEMORY,
    /// A callback of the host misbehaved.
    Callback = AKV_ERROR_CALLBACK,
    /// What was named belongs to the parent of this process.
    Forked = AKV_ERROR_FORKED,
    /// The deadline passed; nothing was given up.
    Timeout = AKV_ERROR_TIMEOUT,
    /// Of the system: the message has the errno and what was asked for.
    Io = AKV_ERROR_IO,
    /// An audit found that the books do not balance: a bug, please report it.
    Damaged = AKV_ERROR_DAMAGED,
    /// A saved sequence that is truncated, damaged, or none at all.
    BadImage = AKV_ERROR_BAD_IMAGE,
    /// Sound, but of another shape than what it was to meet.
    OtherGeometry = AKV_ERROR_OTHER_GEOMETRY,
    /// A copy differs from its source: the source was kept.
    VerifyFailed = AKV_ERROR_VERIFY_FAILED,
    /// The page pool has none left: drop arenas, or reserve more.
    NoPages = AKV_ERROR_NO_PAGES,
    /// `max_arenas` live in the page pool.
    NoArenas = AKV_ERROR_NO_ARENAS,
    /// As many tensors live in the page pool as can.
    NoTensors = AKV_ERROR_NO_TENSORS,
    /// The stream has no room for this work: wait for some of it.
    QueueFull = AKV_ERROR_QUEUE_FULL,
    /// As many of this kind exist in this process as can.
    NoObjects = AKV_ERROR_NO_OBJECTS,
}

/// A call that failed: nothing has changed, unless its contract says otherwise.
///
/// ```
/// use arenakv::{Cache, CacheConfig, Prompt, Status};
/// let cache = Cache::new(&CacheConfig { num_blocks: 4, ..Default::default() })?;
/// let error = cache.create(&Prompt::new(&[1; 100]), &Default::default()).unwrap_err();
/// assert_eq!(error.status(), Status::NoBlocks);
/// assert_eq!((error.needed(), error.available()), (7, 4));
/// # Ok::<(), arenakv::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    status: Status,
    message: String,
    row: Option<u32>,
    needed: u64,
    available: u64,
}

impl Error {
    /// Of this thread's last call of the C API, which answered `status`.
    #[cold]
    fn last(status: i32) -> Error {
        let mut detail = sys::akv_error_detail::INIT;
        let length = unsafe { sys::akv_last_error(std::ptr::null_mut(), 0) };
        let mut text = vec![0u8; length + 1];
        unsafe { sys::akv_last_error(text.as_mut_ptr().cast(), text.len()) };
        text.truncate(length);
        let told = unsafe { sys::akv_last_error_detail(&mut detail) } == 0 && detail.status == status;
        Error(Box::new(Detail {
            status: Status::from_raw(status).unwrap_or(Status::Unknown),
            message: String::from_utf8_lossy(&text).into_owned(),
            row: (told && detail.row != sys::AKV_UNSET).then_some(detail.row),
            needed: if told { detail.needed } else { 0 },
            available: if told { detail.available } else { 0 },
        }))
    }

    /// Of this crate's own checks, made before the C API is called.
    #[cold]
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Error {
        Error(Box::new(Detail { status, message: message.into(), row: None, needed: 0, available: 0 }))
    }

    /// A slice that is shorter than what it is to hold.
    #[cold]
    pub(crate) fn too_short(what: &str, needed: u64, available: usize) -> Error {
        let message = format!("{what} has {available} elements, {needed} are needed");
        let (status, available) = (Status::BufferTooSmall, available as u64);
        Error(Box::new(Detail { status, message, row: None, needed, available }))
    }

    pub fn status(&self) -> Status {
        self.0.status
    }

    /// The value, the limit, what to do. It names no token and no domain.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The element of the batch that it is about.
    pub fn row(&self) -> Option<u32> {
        self.0.row
    }

    /// Blocks for `NoBlocks`, elements for `BufferTooSmall`, tokens for `NoCapacity` ...; else 0.
    pub fn needed(&self) -> u64 {
        self.0.needed
    }

    /// In the same unit.
    pub fn available(&self) -> u64 {
        self.0.available
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.0.status.name(), self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { status, message, row, needed, available } = &*self.0;
        let mut fields = out.debug_struct("Error");
        fields.field("status", status).field("message", message).field("row", row);
        fields.field("needed", needed).field("available", available).finish()
    }
}

impl std::error::Error for Error {}

/// The result of a call of [`arenakv::sys`](crate::sys) that answers a status; this thread's next call may be no other.
#[inline]
pub fn check(status: i32) -> Result<()> {
    if status == sys::AKV_OK {
        Ok(())
    } else {
        Err(Error::last(status))
    }
}

/// Reads a list whose length is told by the call: `read` gets a buffer, its capacity, and where the count goes.
pub(crate) fn read_list<T: Copy>(
    guess: usize,
    empty: T,
    mut read: impl FnMut(*mut T, u32, *mut u32) -> i32,
) -> Result<Vec<T>> {
    let mut list = vec![empty; guess];
    loop {
        let mut count = 0;
        let status = read(list.as_mut_ptr(), count_of(list.len(), "buffer")?, &mut count);
        if status != sys::AKV_ERROR_BUFFER_TOO_SMALL || count as usize <= list.len() {
            check(status)?;
            list.truncate(count as usize);
            return Ok(list);
        }
        list.resize(count as usize, empty);
    }
}

/// A length as a C count: refused where it does not fit, never cut off.
#[inline]
pub(crate) fn count_of(length: usize, what: &str) -> Result<u32> {
    u32::try_from(length)
        .map_err(|_| Error::new(Status::InvalidArgument, format!("{what} has {length} elements, over 2^32 - 1")))
}
