//! ONNX Runtime: finding and fetching the library, providers, sessions, self-check.
