#!/usr/bin/env bash
# Runs batikkit as the owner of a Raspberry Pi would, emulated by QEMU: shows that it installs, runs and answers alike;
# latency means nothing here, and the bench says so. On Debian 12's own ARM Python 3.11 (32 bit: and its NumPy 1):
#
#   benchmarks/peers/arm_emulated.sh WORK_FOLDER doctor export/int8.tflite                      # 32 bit, tflite-runtime
#   BOARD=pi-4 benchmarks/peers/arm_emulated.sh WORK_FOLDER bench export/ --min-samples 10 --min-seconds 0    # 64 bit, LiteRT
#
# BOARD is pi-3, pi-4 or pi-5: it names the processor. QEMU 7.2's own choice, `max`, computes int8 wrongly; and LiteRT
# crashes where a 64-bit ARM process reads of an x86 processor in /proc/cpuinfo, so the board's is put in its place.
#
# For Debian 12 on x86. Nothing is installed: packages are unpacked into WORK_FOLDER (about 250 MB, kept for next time;
# one folder for 32 and another for 64 bit).
set -euo pipefail

work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
repository=$(cd "$(dirname "$0")/../.." && pwd)
root=$work/root site=$work/site python=$work/python

case ${BOARD:-32-bit} in
  32-bit) debian=armhf triplet=arm-linux-gnueabihf emulator=qemu-arm-static cpu= part= ;;
  pi-3) cpu=cortex-a53 part=0xd03 ;;
  pi-4) cpu=cortex-a72 part=0xd08 ;;
  pi-5) cpu=cortex-a76 part=0xd0b ;;
  *) echo "BOARD is pi-3, pi-4, pi-5 or not set, not '$BOARD'" >&2 && exit 2 ;;
esac
if [ -n "$cpu" ]; then debian=arm64 triplet=aarch64-linux-gnu emulator=qemu-aarch64-static; fi
qemu=$work/qemu/usr/bin/$emulator

unpack_debian() {
  local state=$work/apt
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$root"
  touch "$state/status"
  local foreign=(-o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
    -o "APT::Architecture=$debian" -o "APT::Architectures=$debian" -o Debug::NoLocking=1
    -o "APT::Sandbox::User=$(id -un)" -o DPkg::Pre-Install-Pkgs= -o APT::Update::Post-Invoke=)
  apt-get -qq "${foreign[@]}" update || true
  apt-get -qq "${foreign[@]}" install -y --no-install-recommends --download-only python3 python3-numpy python3-pil
  local package
  for package in "$state"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  # What the alternatives system would link.
  local libraries=$root/usr/lib/$triplet
  cp -P "$libraries"/blas/* "$libraries"/lapack/* "$libraries"
  (cd "$work" && apt-get -qq download qemu-user-static && dpkg-deb -x qemu-user-static_*.deb qemu)
}

unpack_wheels() {
  local arm=(--python-version 3.11 --implementation cp --only-binary :all: --target "$site") platform
  for platform in manylinux_2_17 manylinux2014 manylinux_2_27 manylinux_2_28 manylinux_2_34; do
    arm+=(--platform "${platform}_$([ "$debian" = arm64 ] && echo aarch64 || echo armv7l)")
  done
  if [ "$debian" = arm64 ]; then
    python3 -m pip install -q "${arm[@]}" --no-deps ai-edge-litert==2.3.0
    python3 -m pip install -q "${arm[@]}" numpy flatbuffers protobuf backports.strenum ml-dtypes tqdm \
      typing-extensions typer rich
  else
    python3 -m pip install -q "${arm[@]}" --no-deps tflite-runtime==2.14.0
    python3 -m pip install -q "${arm[@]}" typer rich
  fi
}

[ -e "$work/.unpacked" ] || { unpack_debian && unpack_wheels && touch "$work/.unpacked"; }

if [ -n "$cpu" ]; then
  mkdir -p "$root/proc"
  for core in 0 1 2 3; do
    printf 'processor\t: %s\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n' "$core"
    printf 'CPU architecture: 8\nCPU part\t: %s\n\n' "$part"
  done > "$root/proc/cpuinfo"
fi

# Child processes are started through this file too, since the kernel cannot start ARM programs itself.
cat > "$python" <<END
#!/bin/sh
exec $qemu -L $root ${cpu:+-cpu $cpu} -E PYTHONPATH=$repository/toolkit:$repository/benchmarks:$site \\
  $root/usr/bin/python3.11 "\$@"
END
chmod +x "$python"
exec "$python" -c "import sys; sys.executable = '$python'; from batikkit.cli import main; main()" "$@"
