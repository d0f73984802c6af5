//! Wider registers where the processor has them: the same operations in the same order, more of them at once.

/// Defines a function as another's body, compiled once for every processor and once more for those with AVX2. The bytes
/// are the same: AVX2 brings no fused multiply-add, and the compiler fuses and reorders nothing by itself.
#[macro_export]
macro_rules! wide {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? = $body:path;) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($arg: $type),*) $(-> $out)? {
                    $body($($arg),*)
                }
                // SAFETY: the processor has just been asked whether it has AVX2.
                return unsafe { with_avx2($($arg),*) };
            }
            $body($($arg),*)
        }
    };
}
