"""How large a strip is: what is alive while one is made is to stay in the second-level cache of a core."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import sys
from pathlib import Path

from .errors import ParameterError

_USUAL = 1 << 20
# Of 1 MiB of cache, strips of 640 KiB were the fastest of those tried, from 64 KiB to 10 MB.
_SHARE = 5 / 8
_LEAST, _MOST = 1 << 15, 1 << 20
_SYSFS = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}


@functools.cache
def level_two_bytes() -> int:
    """Return the size of a core's second-level cache in bytes; 1 MiB where the system does not tell."""
    return (_sysfs(_SYSFS) if sys.platform != "darwin" else _sysctl()) or _USUAL


def strip_samples() -> int:
    """Return how many samples (of four bytes) a strip has: ``LERAR_STRIP_SAMPLES``, or what fits this machine's cache.

    Raises
    ------
    ParameterError
        The variable is set to what is no number from 1 on.
    """
    told = os.environ.get("LERAR_STRIP_SAMPLES", "")
    if not told:
        return min(max(int(_SHARE * level_two_bytes() / 4), _LEAST), _MOST)
    if not re.fullmatch(r"[1-9][0-9]{0,11}", told):
        raise ParameterError(f"LERAR_STRIP_SAMPLES must be a number of samples from 1 on, got {told!r}")
    return int(told)


def _sysfs(folder: Path) -> int:
    """Return what Linux tells of the unified cache of level 2; 0 where it tells nothing."""
    for index in sorted(folder.glob("index*")):
        with contextlib.suppress(OSError, ValueError):
            told = {name: (index / name).read_text().strip() for name in ("level", "type", "size")}
            size = re.fullmatch(r"(\d+)([KM]?)", told["size"])
            if told["level"] == "2" and told["type"] == "Unified" and size:
                return int(size[1]) * _UNITS[size[2]]
    return 0


def _sysctl() -> int:
    """Return what macOS tells; 0 where it tells nothing."""
    found, size = ctypes.c_uint64(0), ctypes.c_size_t(8)
    with contextlib.suppress(OSError, AttributeError):
        ask = ctypes.CDLL(None).sysctlbyname
        for name in (b"hw.perflevel0.l2cachesize", b"hw.l2cachesize"):
            if ask(name, ctypes.byref(found), ctypes.byref(size), None, 0) == 0 and found.value:
                return int(found.value)
    return 0
