//! Integration tests, one binary: the real program on real files.

mod support;
mod tidy;
