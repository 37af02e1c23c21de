//! stream.rs: an order of work on a device: what is queued first is done first.
//! The contract of every function is in `arenakv/stream.h`; here are its types and nothing else.

use core::ffi::c_void;

use crate::*;

bindings! {
    constants {
        AKV_POINT_ALL: u64 = 18446744073709551615;
    }
    structs {
        /// Zero means default.
        akv_stream_config {
            struct_size: u32,
            flags: u32,
            device: u32,
            num_workers: u32,
            queue_items: u32,
            unused: u32,
            queue_bytes: u64,
        }
    }
    functions {
        /// SETUP. Make a stream.
        fn akv_stream_create(
            config: *const akv_stream_config,
            out_stream: *mut *mut akv_stream,
        ) -> akv_status;
        /// SETUP. End a stream whose work is done; its workers have ended when this returns.
        fn akv_stream_destroy(stream: *mut akv_stream) -> akv_status;
        /// ORDER. The point behind everything queued so far.
        fn akv_stream_record(stream: *mut akv_stream, out_point: *mut u64) -> akv_status;
        /// ORDER. Has the stream passed a point?
        fn akv_stream_read(stream: *mut akv_stream, point: u64, out_passed: *mut u32) -> akv_status;
        /// ORDER. What is queued here from now on waits until `other` has passed `point` (CUDA's event waits).
        fn akv_stream_follow(stream: *mut akv_stream, other: *mut akv_stream, point: u64) -> akv_status;
        /// ORDER. Queue a call of `function`.
        fn akv_stream_call(
            stream: *mut akv_stream,
            function: akv_stream_function,
            context: *mut c_void,
        ) -> akv_status;
        /// ORDER. A file descriptor (an eventfd) that is readable while the stream has passed something since it
        /// was last read, or since the stream was made.
        fn akv_stream_read_fd(stream: *mut akv_stream, out_fd: *mut i32) -> akv_status;
        /// ORDER. Retire `ticket` when the stream has passed all that is queued now.
        fn akv_stream_record_ticket(
            stream: *mut akv_stream,
            cache: *mut akv_cache,
            ticket: akv_ticket,
        ) -> akv_status;
        /// ORDER. Do what waits for points that have been passed.
        fn akv_stream_poll(stream: *mut akv_stream, out_done: *mut u32) -> akv_status;
        /// WAIT. Wait until the stream has passed `point`, or the deadline, then poll.
        fn akv_stream_wait(stream: *mut akv_stream, point: u64, timeout_ns: u64) -> akv_status;
    }
}

/// Called when everything queued before has been done.
pub type akv_stream_function = Option<unsafe extern "C" fn(context: *mut c_void)>;
