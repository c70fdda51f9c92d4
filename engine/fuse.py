"""Loops around `pixel` functions, one or several in turn: written as small modules, compiled by numba, kept on disk.

numba can only keep compiled code that stands in a file, and only notices that this one file changed.
So the module's name holds a digest of all sources beside the process, and a change makes a new module.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from .folders import loops_folder
from .identity import digest
from .process import Known, Process, Tile

_TEMPLATE = '''"""Generated: the loop of {names}. Safe to delete."""
import importlib

import numba
import numpy as np

{pixels}


@numba.njit(cache=True, nogil=True, error_model="numpy")
def run(source, out, {arguments}):
    for i in range(source.size):
        v = source[i]
{steps}
        out[i] = v
'''
_PIXEL = 'pixel{n} = numba.njit(error_model="numpy")(importlib.import_module("{module}").{name}.pixel)'
# Rounded after each step, as tiles are.
_STEP = "        v = np.float32(pixel{n}(np.float64(v), *a{n}))"

Links = Sequence[tuple[type[Process], tuple[float, ...]]]
"""Processes with the arguments of their `pixel` after the sample, the first one first."""

_lock = threading.RLock()
_loops: dict[tuple[type[Process], ...], Callable[..., None]] = {}


def run_pixel(process: Process, known: Known, tile: Tile) -> Tile:
    """Return `process.pixel` of every sample of *tile*, channel by channel."""
    out = np.empty_like(tile)
    for channel in range(tile.shape[0]):
        arguments = process.arguments(known, channel)
        links = [] if arguments is None else [(type(process), tuple(map(float, arguments)))]
        run_links(links, tile[channel], out[channel], fused=True)
    return out


def run_links(links: Links, source: npt.NDArray[np.float32], out: npt.NDArray[np.float32], fused: bool) -> None:
    """Put what *links* make of each sample of *source* into *out* (both contiguous, of one shape).

    *fused*: in one loop compiled for this chain; else in one loop a link, which gives the same bits.
    """
    if not links:
        out[...] = source
        return
    parts = [list(links)] if fused else [[link] for link in links]
    given, made = source.reshape(-1), out.reshape(-1)
    # Loops that write where they read could not take several samples at once.
    spare = np.empty_like(made) if len(parts) > 1 else made
    for n, part in enumerate(parts):
        target = made if (len(parts) - n) % 2 else spare
        _loop(tuple(cls for cls, _ in part))(given, target, *(arguments for _, arguments in part))
        given = target


def _loop(kinds: tuple[type[Process], ...]) -> Callable[..., None]:
    with _lock:
        if kinds not in _loops:
            _loops[kinds] = _made(kinds)
        return _loops[kinds]


def _made(kinds: tuple[type[Process], ...]) -> Callable[..., None]:
    if all(_importable(cls) for cls in kinds):
        return _generated(kinds)
    return _compiled(kinds)


def _importable(cls: type[Process]) -> bool:
    # A process defined in a script or notebook cannot be imported by a generated module.
    found = getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls
    return found and cls.__module__ != "__main__"


def _generated(kinds: tuple[type[Process], ...]) -> Callable[..., None]:
    names = [cls.__name__ for cls in kinds]
    pixels = [_PIXEL.format(n=n, module=cls.__module__, name=cls.__name__) for n, cls in enumerate(kinds)]
    text = _TEMPLATE.format(
        names=", ".join(names),
        pixels="\n".join(pixels),
        arguments=", ".join(f"a{n}" for n in range(len(kinds))),
        steps="\n".join(_STEP.format(n=n) for n in range(len(kinds))),
    )
    sources = [text for cls in dict.fromkeys(kinds) for text in _sources(cls)]
    stem = f"{'_'.join(names)[:80]}_{digest('kernel', text, sources)}"
    return _module(stem, text).run  # type: ignore[no-any-return]


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
        folder = loops_folder()
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


def _compiled(kinds: tuple[type[Process], ...]) -> Callable[..., None]:
    """Compile without keeping; several one after the other."""
    if len(kinds) > 1:
        return _one_by_one(kinds)
    import numba

    pixel = numba.njit(error_model="numpy")(kinds[0].pixel)

    @numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
    def run(source: Any, out: Any, arguments: Any) -> None:
        for i in range(source.size):
            out[i] = np.float32(pixel(np.float64(source[i]), *arguments))

    loop: Callable[..., None] = run
    return loop


def _one_by_one(kinds: tuple[type[Process], ...]) -> Callable[..., None]:
    def run(source: Any, out: Any, *arguments: tuple[float, ...]) -> None:
        run_links(list(zip(kinds, arguments, strict=True)), source, out, fused=False)

    return run
