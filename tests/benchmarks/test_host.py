from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import boards
import pytest

from batikkit.errors import InputError
from batikkit_benchmarks.conditions import (
    Monitor,
    Snapshot,
    parse_throttled,
    summarize,
    take_snapshot,
    throttle_flags,
)
from batikkit_benchmarks.host import check_cpus, fastest_cpus, read_host
from batikkit_benchmarks.validity import problems, remarks

STEADY = tuple(10 + 0.1 * (i % 3) for i in range(100))
CALM = Snapshot(50.0, 2400, 0, None, 0, 0.1)


def test_a_raspberry_pi_5_is_read_whole(tmp_path: Path) -> None:
    host = read_host(boards.lay_out(tmp_path, boards.PI_5), architecture="aarch64")
    assert host.model == host.title == "Raspberry Pi 5 Model B Rev 1.0"
    assert (host.soc, host.cpu, host.cores, host.usable_cores) == ("brcm,bcm2712", "4x Cortex-A76", 4, 4)
    assert (host.governors, host.max_frequency_mhz) == (("ondemand",), (2400,) * 4)
    assert (host.memory_bytes, host.swap_bytes) == (8245312 * 1024, 102384 * 1024)
    assert (host.name, host.kernel) == ("pi5", "6.6.31+rpt-rpi-2712")
    assert host.os == "Debian GNU/Linux 12 (bookworm)"
    assert (host.container, host.emulation, host.virtual_machine) == (None, None, None)
    assert take_snapshot(tmp_path) == Snapshot(48.85, 2400, 0, None, 0, 0.08)


def test_a_hot_raspberry_pi_4_is_throttled(tmp_path: Path) -> None:
    root = boards.lay_out(tmp_path, boards.PI_4_THROTTLED)
    host = read_host(root, architecture="aarch64")
    with Monitor(root, every_s=0.01) as monitor:
        pass
    conditions = monitor.conditions()
    assert conditions.after == Snapshot(84.23, 600, 0xE0008, None, 4120, 1.9)
    (reason,) = problems(STEADY, conditions, host)
    assert reason.startswith("throttled: soft temperature limit")
    assert any("powersave" in remark for remark in remarks(conditions, host))
    assert "hot: 84 °C" in remarks(conditions, host)


def test_a_zero_2_without_a_device_tree_tells_its_model_in_cpuinfo(tmp_path: Path) -> None:
    host = read_host(boards.lay_out(tmp_path, boards.PI_ZERO_2_32_BIT), architecture="armv7l")
    assert (host.model, host.soc, host.cpu) == ("Raspberry Pi Zero 2 W Rev 1.0", "BCM2835", "4x Cortex-A53")
    assert host.memory_bytes == 437172 * 1024
    assert take_snapshot(tmp_path).throttle_flags is None


def test_newer_qemu_gives_itself_away(tmp_path: Path) -> None:
    """It forges /proc/cpuinfo; what the kernel says of its modules stays the host's."""
    tree = {**boards.PI_5, "sys/devices/system/cpu/modalias": "cpu:type:x86,ven0002fam0019mod0001:feature:,0000\n"}
    host = read_host(boards.lay_out(tmp_path, tree), architecture="aarch64")
    assert host.emulation == "aarch64 emulated on x86"
    assert not read_host(boards.lay_out(tmp_path / "pi", boards.PI_5), architecture="aarch64").emulation


def test_a_machine_is_told_by_its_serial_number_before_its_card(tmp_path: Path) -> None:
    def identity(name: str, serial: str | None, machine_id: str | None) -> str:
        tree = dict(boards.PI_ZERO_2_32_BIT)
        tree["proc/cpuinfo"] = "".join(
            line for line in tree["proc/cpuinfo"].splitlines(keepends=True) if not line.startswith("Serial")
        )
        if serial:
            tree["proc/cpuinfo"] += f"Serial\t\t: {serial}\n"
        if machine_id:
            tree["etc/machine-id"] = f"{machine_id}\n"
        return read_host(boards.lay_out(tmp_path / name, tree), architecture="armv7l").identity

    one, two = identity("a", "000000001", "card"), identity("b", "000000002", "card")
    assert one != two
    assert identity("c", "000000001", "other card") == one
    assert identity("d", "0000000000000000", "card") == identity("e", None, "card") not in ("", one)
    assert identity("f", None, None) == ""


def test_a_raspberry_pi_that_does_not_tell_of_throttling_is_noted(tmp_path: Path) -> None:
    host = read_host(boards.lay_out(tmp_path, boards.PI_5), architecture="aarch64")
    silent = dataclasses.replace(CALM, throttle_flags=None)
    for snapshot, told in ((silent, True), (CALM, False)):
        found = remarks(summarize(snapshot, [], snapshot), host)
        assert any("throttling unknown" in remark for remark in found) == told


def test_mixed_cores_and_dead_thermal_zones(tmp_path: Path) -> None:
    host = read_host(boards.lay_out(tmp_path, boards.BIG_LITTLE), architecture="aarch64")
    assert host.cpu == "4x Cortex-A55 + 4x Cortex-A76"
    assert take_snapshot(tmp_path).temperature_c == 61.9


def test_emulation_container_and_quota_are_noticed(tmp_path: Path) -> None:
    host = read_host(boards.lay_out(tmp_path, boards.EMULATED), architecture="aarch64")
    assert (host.emulation, host.container, host.virtual_machine) == (
        "aarch64 emulated on x86",
        "docker",
        "unnamed hypervisor",
    )
    assert host.usable_cores == 1
    assert "emulated" in problems(STEADY, summarize(CALM, [], CALM), host)[0]


def test_a_laptop_counts_its_throttling(tmp_path: Path) -> None:
    root = boards.lay_out(tmp_path, boards.LAPTOP)
    host = read_host(root, architecture="x86_64")
    assert (host.model, host.cores) == ("20LB0021US", 2)
    before = take_snapshot(root)
    assert before.throttle_count == 12
    (root / "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count").write_text("9\n")
    assert problems(STEADY, summarize(before, [], take_snapshot(root)), host)[0].startswith("throttled: 4 thermal")


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    host = read_host(tmp_path, architecture="riscv64")
    assert (host.model, host.soc, host.cpu, host.memory_bytes, host.container) == (None,) * 5
    assert host.cores >= 1
    assert take_snapshot(tmp_path) == Snapshot(None, None, None, None, None, None)
    assert problems(STEADY, summarize(take_snapshot(tmp_path), [], take_snapshot(tmp_path)), host) == ()


def test_this_machine_can_be_read() -> None:
    host = read_host()
    assert 1 <= host.usable_cores <= host.cores
    assert host.libraries["numpy"]


@pytest.mark.parametrize(
    ("before", "during", "after", "expected"),
    [
        (Snapshot(50, 1, 0, None, 0, 0), [], Snapshot(50, 1, 0, None, 0, 0), None),
        (Snapshot(50, 1, 0x50000, None, 0, 0), [], Snapshot(50, 1, 0x50000, None, 0, 0), None),
        (Snapshot(50, 1, 0, None, 0, 0), [], Snapshot(50, 1, 0x10000, None, 0, 0), "under-voltage"),
        (
            Snapshot(50, 1, 0, None, 0, 0),
            [Snapshot(82, 1, 0x6, None, 0, 0)],
            Snapshot(50, 1, 0, None, 0, 0),
            "frequency capped, throttled",
        ),
        (Snapshot(50, 1, 0, None, 100, 0), [], Snapshot(50, 1, 0, None, 5000, 0), "swapping: 4900 pages"),
        (Snapshot(50, 1, 0, None, 100, 0), [], Snapshot(50, 1, 0, None, 150, 0), None),
    ],
)
def test_throttling_and_swapping_make_a_run_invalid(
    before: Snapshot, during: list[Snapshot], after: Snapshot, expected: str | None
) -> None:
    found = problems(STEADY, summarize(before, during, after), read_host())
    if expected is None:
        assert found == ()
    else:
        assert expected in found[0]


def test_noise_and_drift_make_a_run_invalid() -> None:
    calm = summarize(CALM, [], CALM)
    noisy = tuple(10.0 if i % 5 else 30.0 for i in range(100))
    drifting = tuple(10 + 0.015 * i for i in range(100))
    assert problems(noisy, calm, read_host())[0].startswith("noisy: p90 is 3.00 times p50")
    assert problems(drifting, calm, read_host())[0].startswith("drifting: the last quarter is 1.1")


def test_a_steady_neighbour_makes_a_run_invalid_though_nothing_spreads() -> None:
    calm = summarize(CALM, [], CALM)
    assert problems(STEADY, calm, read_host(), cpu_wait_share=0.04) == ()
    assert problems(STEADY, calm, read_host(), cpu_wait_share=0.49) == (
        "contended: waited for a CPU 49% of the time; close other programs",
    )


def test_extremes_come_from_the_whole_measurement() -> None:
    seen = summarize(CALM, [Snapshot(71, 1800, 0, None, 0, 1), Snapshot(69, 1500, 0, None, 0, 1)], CALM)
    assert (seen.peak_temperature_c, seen.lowest_frequency_mhz) == (71, 1500)


def test_vcgencmds_answer_is_read() -> None:
    assert parse_throttled("throttled=0x50005\n") == 0x50005
    assert parse_throttled("VCHI initialization failed\n") is None


def test_vcgencmd_is_asked_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "vcgencmd"
    script.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x20002\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert take_snapshot().throttle_flags == 0x20002
    assert take_snapshot(vcgencmd=False).throttle_flags is None


def test_the_fastest_cores_are_pinned_and_absent_ones_refused(tmp_path: Path) -> None:
    usable = sorted(os.sched_getaffinity(0))
    boards.lay_out(tmp_path, {f"sys/devices/system/cpu/cpu{usable[0]}/cpufreq/cpuinfo_max_freq": "2400000"})
    assert fastest_cpus(1, tmp_path) == (usable[0],)
    assert fastest_cpus(1) == (usable[-1],)
    with pytest.raises(InputError, match="no usable CPU 999"):
        check_cpus([999])


@pytest.mark.parametrize(
    "place",
    ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware", "soc:firmware", "firmware"],
)
def test_the_firmwares_flags_are_found_where_kernels_put_them(tmp_path: Path, place: str) -> None:
    boards.lay_out(tmp_path, {f"sys/devices/platform/{place}/get_throttled": "50005\n"})
    assert throttle_flags(tmp_path, vcgencmd=False) == 0x50005


def test_the_voltage_alarm_stands_in_for_absent_firmware_tools(tmp_path: Path) -> None:
    boards.lay_out(
        tmp_path, {"sys/class/hwmon/hwmon0/name": "cpu_thermal\n", "sys/class/hwmon/hwmon0/temp1_input": "1"}
    )
    assert throttle_flags(tmp_path, vcgencmd=False) is None
    alarm = {"sys/class/hwmon/hwmon2/name": "rpi_volt\n", "sys/class/hwmon/hwmon2/in0_lcrit_alarm": "1\n"}
    assert throttle_flags(boards.lay_out(tmp_path, alarm), vcgencmd=False) == 1


def test_old_throttling_does_not_hide_new_throttling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bits stick since boot; only the middle of the measurement is throttled, and only `vcgencmd` tells."""
    count, script = tmp_path / "count", tmp_path / "vcgencmd"
    script.write_text(
        f"#!/bin/sh\necho x >> {count}\n"
        f'[ "$(wc -l < {count})" = 2 ] && echo throttled=0xe0004 || echo throttled=0xe0000\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with Monitor(every_s=0.05) as monitor:
        deadline = time.monotonic() + 10
        while (not count.exists() or len(count.read_text().split()) < 3) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert monitor.conditions().throttle_flags_seen == 0b0100
    assert problems(STEADY, monitor.conditions(), read_host(tmp_path, architecture="aarch64")) == (
        "throttled: throttled; cool the board or use a stronger supply",
    )


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("/usr/bin/qemu-aarch64-static\0/bin/sh\0-c\0python3 bench.py\0", "aarch64 emulated by qemu-aarch64-static"),
        ("/sbin/init\0splash\0", None),
        ("python3\0/usr/bin/qemu-aarch64-static\0", None),
    ],
)
def test_emulation_that_forges_cpuinfo_shows_in_the_first_process(
    tmp_path: Path, first: str, expected: str | None
) -> None:
    root = boards.lay_out(tmp_path, {"proc/cpuinfo": boards.PI_5["proc/cpuinfo"], "proc/1/cmdline": first})
    assert read_host(root, architecture="aarch64").emulation == expected
