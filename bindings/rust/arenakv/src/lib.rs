//! lib.rs: arenakv, the memory of LLM inference, as safe Rust: a paged KV cache with prefix sharing, plans, tickets, stores
//! of the bytes and counted copies. What a call costs, who may make it and what it may answer is said in the C headers
//! (`include/arenakv/`), whose words this crate keeps.
//!
//! * **Ownership**: a [`Cache`] is shared by its clones; [`Sequence`], [`Plan`], [`Pin`], [`Lease`], [`Arena`] end what they
//!   own when they are dropped. A handle that is stale all the same is [`Status::BadHandle`], never a crash.
//! * **Threads**: what the headers call `any` is `Sync`; a [`Sequence`] belongs to one caller at a time.
//! * **Bytes**: reading K/V borrows a [`Store`], writing borrows it mutably; work on a [`Stream`] is queued in a scope that
//!   waits for it. Names with `copy` move bytes, others never do.
//! * **Errors**: every failure is an [`Error`] with status, numbers and message, and nothing has changed.
#![warn(missing_debug_implementations)]
#![deny(unsafe_op_in_unsafe_fn)]

mod arena;
mod attention;
mod cache;
mod choices;
mod copy;
mod data;
mod error;
mod geometry;
mod handle;
mod holds;
mod host;
mod image;
mod memory;
mod model;
mod plan;
mod sequence;
mod step;
mod store;
mod stream;
mod tiers;
mod view;

pub use arena::*;
pub use attention::*;
pub use cache::*;
pub use choices::*;
pub use copy::copy_records;
pub use data::{Span, SpanMut, TokenData, TokenDataMut};
pub use error::{check, Error, Result, Status};
pub use geometry::{blocks_for, LayerGroup, Plane, Sizes};
pub use handle::{LeaseId, PinId, PlanId, SequenceId, Ticket};
pub use holds::*;
pub use host::*;
pub use image::*;
pub use memory::*;
pub use model::*;
pub use plan::*;
pub use sequence::*;
pub use step::*;
pub use store::{CopyStats, Region, Store, StoreConfig, StoreInfo};
pub use stream::*;
pub use tiers::*;
pub use view::{Element, View, ViewMut};

/// The C API, for what this crate does not say.
pub use arenakv_sys as sys;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
