"""Where lerarlink keeps what it can make again, and texts that name no folders."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path


def cache_root() -> Path:
    """Return the store's folder: LERAR_CACHE_DIR, or the user's cache folder of the platform."""
    if given := os.environ.get("LERAR_CACHE_DIR"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("lerarlink")


def keep_compiled_code_apart() -> None:
    """Let numba keep compiled code in the store's folder, under a digest of all sources that hold kernels.

    numba notices only that the file of a kernel changed, not that of a kernel it calls: after an edit or an
    upgrade it would go on running old code. A folder for each state of the sources cannot be stale.
    A folder that the user has chosen (NUMBA_CACHE_DIR) is left alone.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    root = Path(__file__).parents[1]
    state = hashlib.blake2b(digest_size=16)
    for path in sorted([*root.glob("engine/*.py"), *root.glob("nodes/*/*.py")]):
        source = path.read_bytes()
        if b"numba" in source:
            state.update(path.name.encode() + b"\0" + source)
    folder = cache_root() / "numba" / state.hexdigest()
    with contextlib.suppress(OSError):  # nowhere to keep it: numba finds a place of its own
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["NUMBA_CACHE_DIR"] = os.fspath(folder)


def loops_folder() -> Path:
    """Return where generated loops are kept: in the store's folder, or in the one chosen for numba's compiled code.

    numba finds what it compiled by the path of the source: loops in the folder of one store would be compiled again
    for every other.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and not Path(chosen).is_relative_to(cache_root() / "numba"):
        return Path(chosen) / "lerarlink-kernels"
    return cache_root() / "kernels"


def scratch() -> Path:
    """Return (and make) the folder of unpacked inputs and other files that may vanish between two runs."""
    folder = cache_root() / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# A way through folders from the root (or a drive, or home) up to the name at its end.
_FOLDERS = re.compile(
    r"(?:(?<![A-Za-z0-9])[A-Za-z]:[\\/]|\\\\|(?<![\w.:/])~?/)"
    r"(?:[^\\/:*?\"<>|'\n]+[\\/])+(?=[^\\/\s])"
)


def without_folders(text: str) -> str:
    """Return *text* with only the names of files where it gives whole paths."""
    return _FOLDERS.sub("", text)
