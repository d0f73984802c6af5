//! A small drive shown in files and in viewers that are absent or stalled.
