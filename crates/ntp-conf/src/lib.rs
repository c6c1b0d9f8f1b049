//! ntp.conf: a lossless tree, its typed meaning, diagnostics, and edits that touch whole lines only.
//!
//! [`Document::parse`] takes any bytes whatever and gives them back unchanged; [`read`] turns a file
//! and what it includes into a [`Configuration`] and a list of [`Diagnostic`]s; [`edit`] plans
//! patches. Nothing here reads a file: [`Loader`] is injected.
#![forbid(unsafe_code)]

mod cst;
mod diagnostic;
pub mod directive;
pub mod edit;
mod lex;
mod read;
mod schema;
mod suggest;

pub use cst::{Document, Line};
pub use diagnostic::{Diagnostic, Location, Severity, Span};
pub use lex::Token;
pub use read::{Configuration, FILE_LEN_MAX, INCLUDE_DEPTH_MAX, LoadError, Loaded, Loader, read};
pub use schema::{Entry, SCHEMA, Support, Treatment};
