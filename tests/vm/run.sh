#!/usr/bin/env bash
# A real kernel's devices: boots Debian's kernel in qemu with its virtual cameras (vivid) and CAN bus (vcan), runs the program
# inside, makes a camera fail in every way that vivid can, and prints a table of fault -> what was seen; what it sends on the bus is
# read there by candump. Exit code 0 where all of it was seen, survived and counted.
#
#   cargo build --release --features camera,socketcan && tests/vm/run.sh [PROGRAM] [FOLDER FOR WHAT CAME OUT]
#
# Needs Debian on x86-64, and neither KVM nor modules of the host's kernel. What is lacking is fetched with apt-get by its name;
# the kernel's package is unpacked into the cache, not installed. Two minutes; six on a computer that is busy.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:-${CARGO_TARGET_DIR:-$here/../../target}/release/ocellus}")
out=$(realpath -m "${2:-$(mktemp -d)}")
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ocellus/vm"
# Faults are waited for by what is seen of them; this ends a machine that hangs.
seconds_max=1200
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache" "$out"

lacking=()
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || lacking+=("$2"); }
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
need depmod kmod
need v4l2-ctl v4l-utils
need candump can-utils
need python3 python3
if [ ${#lacking[@]} -gt 0 ] || [ -z "$(ls "$cache"/*/boot/vmlinuz-* 2>/dev/null)" ]; then
  [ "$(id -u)" = 0 ] || { echo "lacking: ${lacking[*]} and a kernel in $cache; run once as root" >&2; exit 1; }
  apt-get update -qq
  [ ${#lacking[@]} = 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}"
fi

if [ -z "$(ls "$cache"/*/boot/vmlinuz-* 2>/dev/null)" ]; then
  package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  (cd "$work" && apt-get download -qq "$package" && dpkg-deb -x linux-image-*.deb "$cache/$package")
fi
kernel=$(ls "$cache"/*/boot/vmlinuz-* | tail -1)
version=${kernel##*/vmlinuz-}
modules=$(dirname "$(dirname "$kernel")")
PATH="$PATH:/usr/sbin"
[ -e "$modules/lib/modules/$version/modules.dep" ] || depmod -b "$modules" "$version"

# The machine's only file system: busybox, the modules in the order in which they are loaded, the program, what they link to.
root="$work/root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules,lib64}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$program" "$root/bin/ocellus"
cp "$(command -v v4l2-ctl)" "$(command -v candump)" "$(command -v cansend)" "$root/bin/"
runtime=$("$program" setup | sed 's/.* is at //')
cp -L "$runtime" "$root/libonnxruntime.so"
cp "$here/../data/networks/yolov8_nonsquare_fp32.onnx" "$root/network.onnx"
for file in "$root"/bin/{ocellus,v4l2-ctl,candump,cansend} "$root/libonnxruntime.so"; do
  ldd "$file" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -nL "$library" "$root$library"
  done
done
for module in vivid vcan can-raw virtio_pci; do
  modprobe -d "$modules" -S "$version" --show-depends "$module" 2>/dev/null || true
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r path; do
  cp "$path" "$root/modules/"
  basename "$path" >> "$root/modules/order"
done
cp "$here"/*.toml "$root/"
install -m 755 "$here/init.sh" "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) > "$work/initramfs"

# The timer's own check fails on a computer that is busy.
arguments='console=ttyS0 quiet panic=1 no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1'
began=$SECONDS
timeout "$seconds_max" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1536 \
  -kernel "$kernel" -initrd "$work/initramfs" -append "$arguments" -no-reboot \
  -display none -monitor none -serial "file:$out/console.log" -serial "file:$out/results.tar" 2> "$work/qemu.log" \
  || { cat "$work/qemu.log" "$out/console.log"; echo "the machine did not end by itself" >&2; exit 1; }
echo "booted $version, ran and ended in $((SECONDS - began)) s; what came out is in $out"
tar xf "$out/results.tar" -C "$out" || { cat "$out/console.log"; exit 1; }
python3 "$here/judge.py" "$out"
