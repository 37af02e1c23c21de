//! lib.rs: the C API of arenakv as it is: every constant, struct and function of the public headers, a module for each.
//! It adds nothing but `INIT` to the structs; the crate `arenakv` is what programs use. Names are C's, and what a function
//! promises is said in the header of the module's name (`include/arenakv/`).
//!
//! ```
//! let version = unsafe { arenakv_sys::akv_version() };
//! assert_eq!(version >> 16, arenakv_sys::AKV_VERSION_MAJOR);
//! ```
#![no_std]
#![allow(non_camel_case_types)]

#[cfg(test)]
extern crate std;

#[macro_use]
mod bindings;
#[cfg(test)]
mod facts;

mod arena;
mod attention;
mod base;
mod cache;
mod copy;
mod copy_image;
mod copy_pager;
mod copy_tensor;
mod copy_two_tier;
mod geometry;
mod host;
mod image;
mod memory;
mod model;
mod plan;
mod planner;
mod prefix;
mod report;
mod sequence;
mod state;
mod status;
mod step;
mod store;
mod stream;
mod swap;
mod ticket;
mod two_tier;
mod version;
mod view;

pub use arena::*;
pub use attention::*;
pub use base::*;
pub use cache::*;
pub use copy::*;
pub use copy_image::*;
pub use copy_pager::*;
pub use copy_tensor::*;
pub use copy_two_tier::*;
pub use geometry::*;
pub use host::*;
pub use image::*;
pub use memory::*;
pub use model::*;
pub use plan::*;
pub use planner::*;
pub use prefix::*;
pub use report::*;
pub use sequence::*;
pub use state::*;
pub use status::*;
pub use step::*;
pub use store::*;
pub use stream::*;
pub use swap::*;
pub use ticket::*;
pub use two_tier::*;
pub use version::*;
pub use view::*;
