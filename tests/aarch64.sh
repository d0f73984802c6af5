#!/usr/bin/env bash
# The program as an ARM computer runs it: builds it and the crates' tests for aarch64 with the compiler that is installed, runs them
# under qemu as a Cortex-A76 (NEON, no SVE; near the A78AE of a Jetson Orin), and compares a replay with this computer's own.
#
#   tests/aarch64.sh crates           unit tests of every crate that reads, measures or decodes; about 15 minutes on two cores
#   tests/aarch64.sh program [OURS]   the whole program; OURS is this computer's, of the same commit; 30 minutes more
#   tests/aarch64.sh                  both
#
# Needs Debian on x86-64, an ordinary user, and 6 GB. Nothing is installed: the standard library's source, qemu, ARM's C library, a
# linker (zig, which brings C's headers for any processor) and ONNX Runtime are fetched by name with apt-get and pip, and unpacked
# into the cache. Not in the gate: it takes too long.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache="${AARCH64_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ocellus/aarch64}"
target=aarch64-unknown-linux-gnu
# The oldest C library a Jetson has is JetPack 6's 2.35; Rust itself needs 2.17, and what is built against 2.31 runs on both.
glibc=2.31
part=${1:-both}
ours=${2:-}
case $part in crates | program | both) ;; *) sed -n '2,12p' "$0" >&2; exit 2 ;; esac
mkdir -p "$cache"

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

# Debian's packages by apt's own means, in a state of its own, so that the computer's is left as it is.
fetch_packages() { # package[:architecture][=version][/suite]...
  local apt="$cache/apt"
  mkdir -p "$apt"/{lists/partial,cache/archives/partial}
  touch "$apt/status"
  local key=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$')
  printf "deb [signed-by=$key] $mirror %s main\n" trixie trixie-backports > "$apt/sources.list"
  cat > "$apt/apt.conf" <<CONF
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
CONF
  APT_CONFIG="$apt/apt.conf" apt-get update -qq
  (cd "$apt" && APT_CONFIG="$apt/apt.conf" apt-get download -qq "$@")
  for package in "$apt"/*.deb; do
    case $package in *_arm64.deb) into=$cache/root ;; *) into=$cache/host ;; esac
    mkdir -p "$into" && dpkg-deb -x "$package" "$into"
  done
  rm -rf "$apt"
}

version=$(rustc --version | cut -d' ' -f2)
if [ ! -e "$cache/ready-$version" ]; then
  step "tools for rustc $version"
  fetch_packages "rust-src=$version*" qemu-user:amd64/trixie libc6:arm64/trixie libgcc-s1:arm64/trixie libstdc++6:arm64/trixie
  # Debian's packages no longer bring the link that a program's interpreter is found by.
  ln -sfn usr/lib "$cache/root/lib"
  # The compiler again with the source of its library, in hard links where the file system is the same.
  sysroot=$(rustc --print sysroot)
  rm -rf "$cache/rust"
  cp -al "$sysroot" "$cache/rust" 2>/dev/null || cp -a "$sysroot" "$cache/rust"
  mkdir -p "$cache/rust/lib/rustlib/src"
  ln -sfn "$cache/host/usr/src/rustc-$version" "$cache/rust/lib/rustlib/src/rust"
  python3 -m venv "$cache/zig"
  "$cache/zig/bin/pip" install --quiet ziglang==0.15.2
  wheels=$(mktemp -d)
  "$cache/zig/bin/pip" download --quiet --no-deps --only-binary :all: --platform manylinux_2_28_aarch64 --python-version 3.12 \
    --dest "$wheels" onnxruntime==1.31.1
  python3 -m zipfile -e "$wheels"/onnxruntime-*.whl "$cache/runtime"
  rm -rf "$wheels"
  touch "$cache/ready-$version"
fi
library=$(ls "$cache"/runtime/onnxruntime/capi/libonnxruntime.so.* | head -1)

# zig as the C compiler, linker and archiver. What the cc crate and rustc name the target is not zig's name for it.
cat > "$cache/cc" <<CC
#!/usr/bin/env bash
arguments=()
for argument in "\$@"; do
  case \$argument in --target=* | -march=* | -Wl,--fix-cortex-a53-843419) ;; *) arguments+=("\$argument") ;; esac
done
exec "$cache/zig/bin/python3" -m ziglang cc -target aarch64-linux-gnu.$glibc "\${arguments[@]}"
CC
printf '#!/usr/bin/env bash\nexec "%s/zig/bin/python3" -m ziglang ar "$@"\n' "$cache" > "$cache/ar"
chmod +x "$cache/cc" "$cache/ar"
emulator="$cache/host/usr/bin/qemu-aarch64 -cpu cortex-a76 -L $cache/root"
export CC_aarch64_unknown_linux_gnu="$cache/cc" AR_aarch64_unknown_linux_gnu="$cache/ar"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$cache/cc"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator"
# The library is built from source with the compiler that is installed, which allows that to nightly compilers alone.
export RUSTC_BOOTSTRAP=1 CARGO_TERM_COLOR=never
built="${CARGO_TARGET_DIR:-$here/../target}"
cargo() { # verb, arguments
  local verb=$1
  shift
  PATH="$cache/rust/bin:$PATH" "$cache/rust/bin/cargo" "$verb" -Z build-std=std,panic_unwind,test --target $target "$@"
}
cd "$here/.."

if [ "$part" != program ]; then
  step 'unit tests of the crates, built for aarch64'
  crates=(-p ocellus-percept -p ocellus-world -p ocellus-flow -p ocellus-judge -p ocellus-sense -p ocellus-infer)
  cargo test --release --no-run --quiet "${crates[@]}"
  step 'and run'
  # The emulator does not tell a program that what it starts is not there, has no kernel's stamps of datagrams, and takes minutes for
  # each real network.
  skipped=(--skip a_video_without_ffmpeg_or_without_video --skip a_datagram_is_stamped_when_it_comes --skip real_networks::)
  OCELLUS_TEST_CC="$cache/cc" ORT_DYLIB_PATH="$library" \
    cargo test --release --quiet --no-fail-fast "${crates[@]}" -- "${skipped[@]}"
fi
[ "$part" = crates ] && exit

step 'the program, built for aarch64'
cargo build --release --quiet --bin ocellus
theirs="$built/$target/release/ocellus"
file -b "$theirs" 2>/dev/null || true
if [ -z "$ours" ]; then
  step "and for this computer, to be compared with"
  command cargo build --release --quiet --bin ocellus
  ours="$built/release/ocellus"
fi

# A street with its own labels as detector (fusion, tracking, risk), and through a network of ONNX Runtime for aarch64. What may
# differ is `ocellus diff --tol`'s for another kind of processor. --version comes first: it needs nothing but the C library.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
emulated() { $emulator "$theirs" "$@"; }
emulated --version
differ=0
for model in truth tests/data/networks/yolov8_nonsquare_fp32.onnx tests/data/networks/yolov8_nonsquare_int8.onnx; do
  name=$(basename "$model" .onnx)
  step "replay with $name"
  arguments=(replay tests/data/street.mcap --model "$model" --out)
  "$ours" "${arguments[@]}" "$work/ours-$name" > "$work/ours.log" 2>&1 || { cat "$work/ours.log"; exit 1; }
  ORT_DYLIB_PATH="$library" emulated "${arguments[@]}" "$work/theirs-$name" 2>&1 | grep -E 'frames in|network|ledger'
  "$ours" diff "$work/ours-$name" "$work/theirs-$name" > /dev/null && echo 'every byte of a number the same' || echo 'not the same to the last bit'
  "$ours" diff "$work/ours-$name" "$work/theirs-$name" --tol || differ=1
done
exit $differ
