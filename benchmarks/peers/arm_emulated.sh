#!/usr/bin/env bash
# Runs the bench as a Raspberry Pi owner on 32-bit Raspberry Pi OS would: Debian 12's own 32-bit ARM Python and NumPy 1,
# tflite-runtime 2.14, emulated by QEMU. Shows that it installs, runs and answers alike; latency means nothing here.
#
#   benchmarks/peers/arm_emulated.sh WORK_FOLDER doctor export/int8.tflite
#   benchmarks/peers/arm_emulated.sh WORK_FOLDER bench export/ --runs 10 --min-seconds 0
#
# For Debian 12 on x86. Nothing is installed: packages are unpacked into WORK_FOLDER (about 250 MB, kept for next time).
set -euo pipefail

work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
repository=$(cd "$(dirname "$0")/../.." && pwd)
root=$work/root site=$work/site qemu=$work/qemu/usr/bin/qemu-arm-static python=$work/python

unpack_debian() {
  local state=$work/apt
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$root"
  touch "$state/status"
  local foreign=(-o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
    -o APT::Architecture=armhf -o APT::Architectures=armhf -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)"
    -o DPkg::Pre-Install-Pkgs= -o APT::Update::Post-Invoke=)
  apt-get -qq "${foreign[@]}" update || true
  apt-get -qq "${foreign[@]}" install -y --no-install-recommends --download-only python3 python3-numpy python3-pil
  local package
  for package in "$state"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  # What the alternatives system would link.
  local libraries=$root/usr/lib/arm-linux-gnueabihf
  cp -P "$libraries"/blas/* "$libraries"/lapack/* "$libraries"
  (cd "$work" && apt-get -qq download qemu-user-static && dpkg-deb -x qemu-user-static_*.deb qemu)
}

unpack_wheels() {
  local arm=(--python-version 3.11 --implementation cp --only-binary :all: --target "$site"
    --platform manylinux_2_17_armv7l --platform manylinux2014_armv7l --platform manylinux_2_34_armv7l)
  python3 -m pip install -q "${arm[@]}" --no-deps tflite-runtime==2.14.0
  python3 -m pip install -q "${arm[@]}" typer rich
}

[ -e "$work/.unpacked" ] || { unpack_debian && unpack_wheels && touch "$work/.unpacked"; }

# Child processes are started through this file too, since the kernel cannot start ARM programs itself.
cat > "$python" <<END
#!/bin/sh
exec $qemu -L $root -E PYTHONPATH=$repository/toolkit:$repository/benchmarks:$site $root/usr/bin/python3.11 "\$@"
END
chmod +x "$python"
exec "$python" -c "import sys; sys.executable = '$python'; from batikkit.cli import main; main()" "$@"
