"""A host's facts as short texts, for pages and tables."""

from __future__ import annotations

from batikkit_benchmarks.host import Host


def host_facts(host: Host) -> dict[str, str]:
    """Name -> value, unknown facts left out."""
    memory = f"{host.memory_bytes / 1e9:.1f} GB" if host.memory_bytes else None
    swap = f"{host.swap_bytes / 1e9:.1f} GB" if host.swap_bytes else "none"
    frequencies = ", ".join(dict.fromkeys(f"{mhz} MHz" for mhz in host.max_frequency_mhz))
    facts = {
        "host name": host.name,
        "machine": host.identity,
        "model": host.model,
        "SoC": host.soc,
        "CPU": host.cpu,
        "architecture": f"{host.architecture}, {host.bits}-bit Python",
        "cores": f"{host.usable_cores} of {host.cores} usable",
        "governor": ", ".join(host.governors),
        "highest frequency": frequencies,
        "memory": memory,
        "swap": swap if memory else None,
        "system": host.os,
        "kernel": host.kernel,
        "Python": host.python,
        "libraries": ", ".join(f"{name} {version}" for name, version in host.libraries.items()),
        "container": host.container,
        "emulation": host.emulation,
        "virtual machine": host.virtual_machine,
    }
    return {name: value for name, value in facts.items() if value}
