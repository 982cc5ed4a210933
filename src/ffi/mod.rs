//! The C ABI. `include/ncg.h` is generated from the files of this folder, in the order that `tests/header.rs` gives.
//!
//! Rules that hold for every entry:
//!
//! - Only `int32_t`, `int64_t`, `double`, `float`, `char` strings, opaque handles and callbacks cross.
//! - An entry that can fail returns a status and takes `ncg_error **err` last; handles go out through `**out`, set to NULL
//!   first.
//! - A body runs inside [`guard`]: a panic becomes `NCG_ERR_PANIC`, and the caller's floating-point environment comes back.
//! - A handle that may change is used by one thread at a time; `handle` catches what breaks that.
//! - No caller pointer is kept after the call, save a callback and its `user_data`.
//!
//! # Safety
//! The same for every `unsafe` entry: a pointer is NULL, or leads to what the entry's comment says, valid for the whole
//! call: handles that this library gave out and that have not been freed, NUL-terminated strings, and arrays of the size
//! that counts and strides give. An output overlaps no other array.

#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod argument;
mod guard;
mod handle;
mod table;
mod tables;

pub mod arrays;
pub mod error;
pub mod fit;
pub mod model;
pub mod options;
pub mod session;
pub mod version;
