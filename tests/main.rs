//! Integration tests, one binary: the real program on real files.

mod bad_input;
mod replay;
mod support;
mod tidy;
