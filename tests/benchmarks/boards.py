"""File trees in the formats that real boards show, as far as the bench reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_PI_OS = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'


def _arm_cpuinfo(cores: int, part: str, tail: str) -> str:
    core = (
        "processor\t: {n}\nBogoMIPS\t: 108.00\n"
        "Features\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n\n"
    )
    return "".join(core.replace("{n}", str(n)) for n in range(cores)) + tail


def _cpufreq(cores: int, *, governor: str, now_khz: int, max_khz: int) -> dict[str, str]:
    tree = {}
    for cpu in range(cores):
        folder = f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
        tree[f"{folder}/scaling_governor"] = governor + "\n"
        tree[f"{folder}/scaling_cur_freq"] = f"{now_khz}\n"
        tree[f"{folder}/cpuinfo_max_freq"] = f"{max_khz}\n"
    return tree


PI_5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/device-tree/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
    "proc/cpuinfo": _arm_cpuinfo(
        4, "0xd0b", "Revision\t: d04170\nSerial\t\t: 0123456789abcdef\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
    ),
    "proc/meminfo": "MemTotal:        8245312 kB\nMemFree:         6000000 kB\nSwapTotal:        102384 kB\n",
    "proc/vmstat": "nr_free_pages 1500000\npswpin 0\npswpout 0\noom_kill 0\n",
    "proc/loadavg": "0.08 0.03 0.01 1/214 1873\n",
    "proc/sys/kernel/hostname": "pi5\n",
    "proc/sys/kernel/osrelease": "6.6.31+rpt-rpi-2712\n",
    "proc/1/cgroup": "0::/init.scope\n",
    "etc/os-release": _PI_OS,
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48850\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    **_cpufreq(4, governor="ondemand", now_khz=2_400_000, max_khz=2_400_000),
}

PI_4_THROTTLED = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
    "proc/cpuinfo": _arm_cpuinfo(4, "0xd08", "Hardware\t: BCM2835\nRevision\t: c03114\n"),
    "proc/meminfo": "MemTotal:        3884364 kB\nSwapTotal:        102396 kB\n",
    "proc/vmstat": "pswpin 120\npswpout 4000\noom_kill 1\n",
    "proc/loadavg": "1.90 1.20 0.80 3/300 2211\n",
    "etc/os-release": _PI_OS,
    "sys/class/thermal/thermal_zone0/temp": "84230\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "e0008\n",
    **_cpufreq(4, governor="powersave", now_khz=600_000, max_khz=1_500_000),
}

PI_ZERO_2_32_BIT = {
    "proc/cpuinfo": _arm_cpuinfo(
        4, "0xd03", "Hardware\t: BCM2835\nRevision\t: 902120\nModel\t\t: Raspberry Pi Zero 2 W Rev 1.0\n"
    ),
    "proc/meminfo": "MemTotal:         437172 kB\nSwapTotal:        102396 kB\n",
    "etc/os-release": 'PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\n',
    "sys/class/thermal/thermal_zone0/temp": "39704\n",
    **_cpufreq(4, governor="ondemand", now_khz=1_000_000, max_khz=1_000_000),
}

BIG_LITTLE = {
    "proc/device-tree/model": "Radxa ROCK 5B\0",
    "proc/device-tree/compatible": "radxa,rock-5b\0rockchip,rk3588\0",
    "proc/cpuinfo": _arm_cpuinfo(4, "0xd05", "") + _arm_cpuinfo(4, "0xd0b", ""),
    "sys/class/thermal/thermal_zone0/temp": "0\n",
    "sys/class/thermal/thermal_zone1/temp": "61900\n",
    "sys/class/thermal/thermal_zone2/temp": "-274000\n",
}

EMULATED = {
    "proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Processor\n"
    "flags\t\t: fpu vme hypervisor\n",
    ".dockerenv": "",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
}

LAPTOP = {
    "proc/cpuinfo": "".join(
        f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\n\n"
        for n in range(2)
    ),
    "sys/class/dmi/id/product_name": "20LB0021US\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "7\n",
    "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "5\n",
}


def lay_out(root: Path, tree: Mapping[str, str]) -> Path:
    """Writes a tree under `root`."""
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root
