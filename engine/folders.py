"""Where lerarlink keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Return the store's folder: LERAR_CACHE_DIR, or the user's cache folder of the platform."""
    if given := os.environ.get("LERAR_CACHE_DIR"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("lerarlink")


def scratch() -> Path:
    """Return (and make) the folder of unpacked inputs and other files that may vanish between two runs."""
    folder = cache_root() / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
