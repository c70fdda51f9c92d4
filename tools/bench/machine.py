"""What machine a bench ran on, how busy it was, and which versions took part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from ...engine.memory import physical
from ...engine.schedule import usable_processors

_LIBRARIES = ("numpy", "numba", "scipy", "astropy", "dask")


def machine() -> dict[str, Any]:
    """Return what this machine is, without its name."""
    return {
        "processor": _processor(),
        "processors": usable_processors(),
        "memory": physical(),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in ("lerarlink", *_LIBRARIES)},
    }


def load() -> list[float] | None:
    """Return how many processes wanted to run in the last 1, 5 and 15 minutes; None where nobody tells."""
    try:
        return [round(v, 2) for v in os.getloadavg()]
    except (AttributeError, OSError):
        return None


def free_memory() -> float:
    """Return the bytes that a new process can have without pushing others out; infinite where nobody tells."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return 1024.0 * float(line.split()[1])
    return float("inf")


def version_of(distribution: str) -> str:
    """Return the installed version of a package; empty where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("ascii", "replace").splitlines()
    except OSError:
        return []
