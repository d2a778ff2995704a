"""Who writes: host, boot, process id and its start time, to tell whether that process still lives."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

from noroshi.model.errors import LakeError


def _start(pid: int) -> str:
    """Start time of a process in clock ticks since boot; empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, start = text.rpartition(")")[2].split()[0], text.rpartition(")")[2].split()[19]
    return "" if state in "ZX" else start  # a zombie writes no more


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "-"


def me() -> str:
    """The owner text of this process: `host/boot/pid/start`."""
    pid = os.getpid()
    return f"{platform.node()}/{_boot()}/{pid}/{_start(pid)}"


def is_gone(owner: str) -> bool:
    """True when the process surely no longer runs. A process of another host is believed to live.

    Raises LakeError when `owner` is not such a text.
    """
    parts = owner.rsplit("/", 3)
    if len(parts) != 4 or not parts[2].isdigit():
        raise LakeError(f"{owner!r} does not name a process")
    host, boot, pid, start = parts
    if host != platform.node():
        return False
    return boot != _boot() or _start(int(pid)) != start
