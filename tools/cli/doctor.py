"""`lerar doctor`: what is installed, and whether it works."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import rich_click as click

from . import _errors
from ._group import common
from ._output import size, table, tell, tell_json

_NEEDED = ("numpy", "scipy", "numba", "astropy", "networkx", "dask", "msgpack", "xxhash", "lz4", "zstandard",
           "tifffile", "Pillow", "PyYAML", "click", "rich-click", "rich", "platformdirs")  # fmt: skip
_EXTRAS = {"distributed": "cluster", "rawpy": "raw"}
# Less free space than this does not hold the Values of a night.
_LITTLE = 100e6


class Finding(NamedTuple):
    """One thing looked at: `ok` is None where it is good to know and cannot be wrong."""

    what: str
    ok: bool | None
    told: str


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@common
def command(as_json: bool) -> None:
    """Check that this installation works; exit with 1 where something needed is broken.

    Looks at versions, the store's folder, numba's compiler, processors, memory and optional parts.
    """
    findings = [f for look in (_versions, _processes, _compiler, _store, _machine, _extras) for f in _found(look)]
    broken = [f for f in findings if f.ok is False]
    if as_json:
        tell_json({"ok": not broken, "findings": [f._asdict() for f in findings]})
    else:
        marks = {True: "ok", False: "BROKEN", None: ""}
        tell(table(("", "what", "found"), [(marks[f.ok], f.what, f.told) for f in findings]))
    if broken:
        for f in broken:
            print(f"error: {f.what}: {f.told}", file=sys.stderr)
        raise _errors.Told(_errors.FAILED)


def _found(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what *look* found; a check that itself breaks is a finding too."""
    try:
        return list(look())
    except Exception as e:
        return [Finding(look.__name__.strip("_"), False, f"{type(e).__name__}: {e}")]


def _versions() -> Iterator[Finding]:
    from ... import __version__

    yield Finding("lerarlink", None, f"{__version__} in {os.path.dirname(os.path.dirname(os.path.dirname(__file__)))}")
    yield Finding("Python", None, f"{platform.python_version()} in {sys.prefix}, {platform.platform()}")
    for name in _NEEDED:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed")


def _processes() -> Iterator[Finding]:
    from ...engine import registry

    found = registry.everything()
    yield Finding("processes", bool(found), f"{len(found)} found, all can be loaded")


def _compiler() -> Iterator[Finding]:
    import numba

    half = numba.njit(error_model="numpy")(lambda x: 0.5 * x)
    yield Finding("numba compiles", half(4.0) == 2.0, f"a test function gives {half(4.0)} (2.0 is right)")


def _store() -> Iterator[Finding]:
    from ...engine.folders import cache_root

    root = cache_root()
    origin = "LERAR_CACHE_DIR" if os.environ.get("LERAR_CACHE_DIR") else "the user's cache folder"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as f:
            f.write(b"lerar")
    except OSError as e:
        yield Finding("store", False, f"{root} ({origin}) cannot be written: {e.strerror or e}")
        return
    yield Finding("store", True, f"{root} ({origin}) can be written")
    free = shutil.disk_usage(root).free
    yield Finding("free space", free > _LITTLE, f"{size(free)} in the store's file system")


def _machine() -> Iterator[Finding]:
    from ...engine.schedule import usable_processors

    yield Finding("processors", None, f"{usable_processors()} usable of {os.cpu_count()}")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield Finding("memory", None, size(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))


def _extras() -> Iterator[Finding]:
    for name, extra in _EXTRAS.items():
        try:
            yield Finding(name, None, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, None, f"not installed (optional: pip install 'lerarlink[{extra}]')")
