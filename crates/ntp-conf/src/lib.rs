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
mod effective;
mod grammar;
mod keys;
mod lex;
mod lint;
mod manual;
mod read;
pub mod schema;
mod suggest;
mod target;

pub use cst::{Document, Line};
pub use diagnostic::{Diagnostic, Location, Severity, Span};
pub use effective::{Effective, effective, has_setting, lines_of};
pub use grammar::Dialect;
pub use keys::{KeyLine, read_keys};
pub use lex::Token;
pub use lint::{advise, lint};
pub use manual::manual;
pub use read::{
    At, Configuration, FILE_LEN_MAX, FileSet, INCLUDE_DEPTH_MAX, Limits, LoadError, Loaded, Loader, Placed,
    Read, Statistics, drop_in_directory, read, read_within, values,
};
pub use target::{check_for, syntax_error, understood};
