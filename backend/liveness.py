"""Is that very process still there? Its number may be used again and the clock may be set; a start counted from boot
is touched by neither."""

from __future__ import annotations

import psutil

TOLERANCE_S = 0.5


def started_at(pid: int) -> float | None:
    """Seconds from boot to the process's start; None when it is gone or only waits to be collected."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return None


def alive(pid: int, known_start: float) -> bool:
    """True when the process of that number is the one that started then."""
    start = started_at(pid)
    return start is not None and abs(start - known_start) < TOLERANCE_S
