//! Engines: what some providers build out of a network, minutes long, and keep in a folder of ours.
//!
//! Providers have caches of their own whose keys leave out the weights, the shapes or the options, so that a stale engine is taken
//! for the right one. Here the key is ours ([`EngineKey`]: everything an engine depends on), each key has a folder
//! ([`Store`]), and an engine counts only with its [`EngineManifest`], which is written last. [`pairs`] says what a provider is
//! told, [`libraries`] which versions of whose libraries it brought in, [`cuda`] what device there is.
//!
//! Deliberately absent: building and checking engines (the binary's `engines`), and any trust in a file that no manifest names.

pub mod cuda;
mod key;
pub mod libraries;
mod manifest;
pub mod pairs;
mod store;

pub use key::{EngineKey, differences};
pub use manifest::{EngineFile, EngineManifest, ManifestError};
pub use store::{Entry, Found, Lock, Pruned, Store, StoreError};
