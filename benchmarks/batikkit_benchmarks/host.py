"""What machine this is. Every fact comes from a function that tolerates an absent file; `root` is for recordings."""

from __future__ import annotations

import hashlib
import platform
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from batikkit.errors import InputError
from batikkit.processors import ROOT, allowed_cpus, machine_count, usable_count

X86_VENDORS = ("GenuineIntel", "AuthenticAMD", "HygonGenuine")


@dataclass(frozen=True)
class Host:
    """A board, laptop or virtual machine; None or an empty tuple where it does not tell.

    Attributes:
        model: The device tree's model, or the mainboard's product name.
        soc: The device tree's chip (`brcm,bcm2712`).
        cpu: The processor's name, or the ARM cores it is made of.
        bits: Pointer width of this Python: 32 on a 64-bit board with a 32-bit system.
        cores: Logical CPUs of the machine; `usable_cores` those this process may use (affinity and cgroup quota).
        governors: Distinct frequency governors.
        max_frequency_mhz: Highest frequency of each CPU.
        container: `docker`, `podman`, ... when inside one.
        emulation: How the CPU is emulated; latency measured under it means nothing.
        virtual_machine: The hypervisor, when there is one.
        identity: Tells machines of one name and model apart; a digest, from which serial number or machine id cannot be
            read back. Empty where the machine has neither.
    """

    name: str
    model: str | None
    soc: str | None
    cpu: str | None
    architecture: str
    bits: int
    cores: int
    usable_cores: int
    governors: tuple[str, ...]
    max_frequency_mhz: tuple[int, ...]
    memory_bytes: int | None
    swap_bytes: int | None
    os: str
    kernel: str
    python: str
    libraries: dict[str, str]
    container: str | None
    emulation: str | None
    virtual_machine: str | None
    identity: str = ""

    @property
    def title(self) -> str:
        """What people call it: the board's model, else the processor, else the host's name."""
        return self.model or self.cpu or self.name

    @property
    def machine(self) -> tuple[str, str, str]:
        """What makes it this machine: two boards may share a name, and one card may boot both."""
        return self.name, self.title, self.identity


def read_host(root: Path = ROOT, *, architecture: str | None = None) -> Host:
    """Gathers the facts of the machine whose file system starts at `root`."""
    machine = architecture or platform.machine()
    cores = count_cores(root)
    return Host(
        name=text(root / "proc/sys/kernel/hostname") or platform.node(),
        model=board_model(root),
        soc=soc(root),
        cpu=cpu_name(root),
        architecture=machine,
        bits=struct.calcsize("P") * 8,
        cores=cores,
        usable_cores=usable_count(root, cores=cores),
        governors=governors(root),
        max_frequency_mhz=max_frequencies_mhz(root),
        memory_bytes=memory(root, "MemTotal"),
        swap_bytes=memory(root, "SwapTotal"),
        os=os_name(root),
        kernel=text(root / "proc/sys/kernel/osrelease") or platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=libraries(),
        container=container(root),
        emulation=emulation(root, architecture=machine),
        virtual_machine=virtual_machine(root),
        identity=identity(root),
    )


def text(path: Path) -> str | None:
    """A small file's text without surrounding blanks and NULs; None when absent, unreadable or empty."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip(" \t\r\n\0") or None
    except OSError:
        return None


def number(path: Path) -> int | None:
    """A file that holds one integer; None when it does not."""
    try:
        return int(text(path) or "")
    except ValueError:
        return None


def board_model(root: Path) -> str | None:
    """`Raspberry Pi 5 Model B Rev 1.0` from the device tree, else the mainboard's product name."""
    found = text(root / "proc/device-tree/model") or text(root / "sys/firmware/devicetree/base/model")
    if found:
        return found
    in_cpuinfo = re.search(r"^Model\s*:\s*(.+)$", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return in_cpuinfo.group(1).strip() if in_cpuinfo else text(root / "sys/class/dmi/id/product_name")


def identity(root: Path) -> str:
    """Eight hexadecimal digits of a digest of the board's serial number, else of the system's machine id.

    The serial number first: a copied memory card carries the machine id along.
    """
    in_cpuinfo = re.search(r"^Serial\s*:\s*(\S+)$", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    files = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number", "etc/machine-id")
    known = [text(root / files[0]), text(root / files[1]), in_cpuinfo and in_cpuinfo.group(1), text(root / files[2])]
    found = next((entry for entry in known if entry and entry.strip("0")), None)
    return hashlib.sha256(f"batikkit {found}".encode()).hexdigest()[:8] if found else ""


def soc(root: Path) -> str | None:
    """The chip: the most general entry of the device tree's `compatible`."""
    for folder in ("proc/device-tree", "sys/firmware/devicetree/base"):
        entries = [entry for entry in (text(root / folder / "compatible") or "").split("\0") if entry]
        if entries:
            return entries[-1]
    found = re.search(r"^Hardware\s*:\s*(.+)$", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1).strip() if found else None


ARM_PARTS = {
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
    "0xc08": "Cortex-A8",
    "0xc09": "Cortex-A9",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd08": "Cortex-A72",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd41": "Cortex-A78",
}
"""ARM's part numbers in /proc/cpuinfo, of the cores small boards have."""


def cpu_name(root: Path) -> str | None:
    """`Intel(R) Xeon(R) Processor`, or on ARM what the cores are: `4x Cortex-A76`."""
    info = text(root / "proc/cpuinfo") or ""
    parts = re.findall(r"^CPU part\s*:\s*(0x[0-9a-f]+)", info, re.MULTILINE)
    if parts:
        counts = {part: parts.count(part) for part in dict.fromkeys(parts)}
        return " + ".join(f"{count}x {ARM_PARTS.get(part, 'ARM part ' + part)}" for part, count in counts.items())
    named = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return named.group(1).strip() if named else None


def count_cores(root: Path) -> int:
    """Logical CPUs of the machine."""
    return len(re.findall(r"^processor\s*:", text(root / "proc/cpuinfo") or "", re.MULTILINE)) or machine_count()


def _cpu_folders(root: Path) -> list[Path]:
    folders = (root / "sys/devices/system/cpu").glob("cpu[0-9]*")
    return sorted(folders, key=lambda folder: int(folder.name[3:]))


def fastest_cpus(count: int, root: Path = ROOT) -> tuple[int, ...]:
    """The `count` usable CPUs with the highest frequency; of equals the last, as interrupts gather on the first."""
    ranked = sorted(allowed_cpus(), key=lambda cpu: (_max_frequency_khz(root, cpu), cpu))
    return tuple(sorted(ranked[-count:]))


def check_cpus(cpus: Sequence[int]) -> tuple[int, ...]:
    """The CPUs themselves.

    Raises:
        InputError: one of them is not usable.
    """
    usable = allowed_cpus()
    for cpu in cpus:
        if cpu not in usable:
            raise InputError(f"no usable CPU {cpu}: this process may use {', '.join(map(str, usable)) or 'no other'}")
    return tuple(cpus)


def _max_frequency_khz(root: Path, cpu: int) -> int:
    return number(root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq") or 0


def governors(root: Path) -> tuple[str, ...]:
    """The distinct frequency governors, such as `ondemand`."""
    found = (text(folder / "cpufreq/scaling_governor") for folder in _cpu_folders(root))
    return tuple(sorted({governor for governor in found if governor}))


def max_frequencies_mhz(root: Path) -> tuple[int, ...]:
    """The highest frequency of each CPU; empty where the kernel does not tell."""
    found = (number(folder / "cpufreq/cpuinfo_max_freq") for folder in _cpu_folders(root))
    return tuple(frequency // 1000 for frequency in found if frequency)


def memory(root: Path, field: str) -> int | None:
    """A line of /proc/meminfo in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB", text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def os_name(root: Path) -> str:
    """`Debian GNU/Linux 12 (bookworm)`."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', text(root / "etc/os-release") or "", re.MULTILINE)
    return found.group(1) if found else platform.system()


def libraries() -> dict[str, str]:
    """Versions of what decides speed and answers."""
    found = {}
    for name in ("batikkit", "numpy", "pillow", "ai-edge-litert", "tflite-runtime", "tensorflow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def container(root: Path) -> str | None:
    """Which kind of container this is, if any."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    named = text(root / "run/systemd/container")
    if named:
        return named
    groups = text(root / "proc/1/cgroup") or ""
    found = re.search(r"(docker|kubepods|lxc|containerd|libpod)", groups)
    return found.group(1) if found else None


def emulation(root: Path, *, architecture: str) -> str | None:
    """How the CPU is emulated, if it is.

    User-mode emulation shows an x86 /proc/cpuinfo under an ARM Python, or, where it forges that file, itself in the
    command line of the first process.
    """
    info = text(root / "proc/cpuinfo") or ""
    # Newer QEMU forges /proc/cpuinfo, but not what the kernel says of its modules.
    alias = text(root / "sys/devices/system/cpu/modalias") or ""
    x86 = any(vendor in info for vendor in X86_VENDORS) or "type:x86" in alias
    if x86 and architecture.startswith(("aarch64", "arm")):
        return f"{architecture} emulated on x86"
    if "VirtualApple" in info:
        return "x86 emulated on Apple silicon"
    if "QEMU Virtual CPU" in info or "TCG" in (text(root / "sys/class/dmi/id/product_version") or ""):
        return "CPU emulated by QEMU"
    first = Path((text(root / "proc/1/cmdline") or "").split("\0")[0]).name
    return f"{architecture} emulated by {first}" if first.startswith(("qemu-", "rosetta")) else None


def virtual_machine(root: Path) -> str | None:
    """The hypervisor's name where one shows itself."""
    if re.search(r"^flags\s*:.*\bhypervisor\b", text(root / "proc/cpuinfo") or "", re.MULTILINE):
        return text(root / "sys/class/dmi/id/sys_vendor") or "unnamed hypervisor"
    tree = text(root / "proc/device-tree/hypervisor/compatible")
    return tree.split("\0")[0] if tree else None
