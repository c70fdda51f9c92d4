"""Loops around `pixel` functions: written as small modules, compiled by numba, kept on disk.

numba can only keep compiled code that stands in a file, and only notices that this one file changed.
So the module's name holds a digest of all sources beside the process, and a change makes a new module.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .folders import cache_root
from .identity import digest
from .process import Known, Process, Tile

_TEMPLATE = '''"""Generated: the loop of {name}. Safe to delete."""
import importlib

import numba
import numpy as np

pixel = numba.njit(error_model="numpy")(importlib.import_module("{module}").{name}.pixel)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def run(source, out, arguments):
    for i in range(source.size):
        out[i] = np.float32(pixel(np.float64(source[i]), *arguments))
'''
_lock = threading.RLock()
_loops: dict[type[Process], Callable[..., None]] = {}


def run_pixel(process: Process, known: Known, tile: Tile) -> Tile:
    """Return `process.pixel` of every sample of *tile*, channel by channel."""
    out = np.empty_like(tile)
    for channel in range(tile.shape[0]):
        arguments = process.arguments(known, channel)
        if arguments is None:
            out[channel] = tile[channel]
            continue
        run = _loop(type(process))
        run(tile[channel].reshape(-1), out[channel].reshape(-1), tuple(map(float, arguments)))
    return out


def _loop(cls: type[Process]) -> Callable[..., None]:
    with _lock:
        if cls not in _loops:
            _loops[cls] = _made(cls)
        return _loops[cls]


def _made(cls: type[Process]) -> Callable[..., None]:
    # A process defined in a script or notebook cannot be imported by a generated module.
    importable = getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls
    if importable and cls.__module__ != "__main__":
        return _generated(cls)
    return _compiled(cls)


def _generated(cls: type[Process]) -> Callable[..., None]:
    text = _TEMPLATE.format(name=cls.__name__, module=cls.__module__)
    return _module(f"{cls.__name__}_{digest('kernel', text, _sources(cls))}", text).run  # type: ignore[no-any-return]


def generated_module(name: str, text: str) -> ModuleType:
    """Return the module of a generated source *text*, kept in a file so that numba can keep what it compiles.

    Parameters
    ----------
    name
        A short identifier that begins the file's name.
    text
        Python source, made by lerarlink itself: it is run. Never let it hold anything a user or a file said.
    """
    import numba

    return _module(f"{name}_{digest('kernel', text, numba.__version__)}", text)


def _module(stem: str, text: str) -> ModuleType:
    name = f"lerarlink_kernels.{stem}"
    with _lock:
        if name not in sys.modules:
            _imported(name, _kept(stem, text))
        return sys.modules[name]


def _kept(stem: str, text: str) -> Path:
    try:
        folder = cache_root() / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # nowhere to keep it: compile for this run only
        folder = Path(tempfile.mkdtemp(prefix="lerarlink-"))
    path = folder / f"{stem}.py"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as f:
            f.write(text)
        Path(f.name).replace(path)
    return path


def _imported(name: str, path: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OSError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _sources(cls: type[Process]) -> list[str]:
    """Return the text of all files beside the process: its `pixel` may call helpers in any of them."""
    import numba

    here = Path(inspect.getfile(cls))
    return [numba.__version__, *(f.read_text("utf-8") for f in sorted(here.parent.glob("*.py")))]


def _compiled(cls: type[Process]) -> Callable[..., None]:
    """Compile without keeping."""
    import numba

    pixel = numba.njit(error_model="numpy")(cls.pixel)

    @numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
    def run(source: Any, out: Any, arguments: Any) -> None:
        for i in range(source.size):
            out[i] = np.float32(pixel(np.float64(source[i]), *arguments))

    loop: Callable[..., None] = run
    return loop
