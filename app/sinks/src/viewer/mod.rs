//! The rerun viewer.
