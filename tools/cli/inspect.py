"""`lerar inspect`: what image files are, from their headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from . import _errors
from ._group import common
from ._output import number, tell, tell_json

if TYPE_CHECKING:
    from ...engine.frame import Frame


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--hdu", metavar="N|NAME", help="Which image of the file (default: the first that has pixels).")
@click.option("--header", is_flag=True, help="Print the raw header words instead.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, raw header words included.")
@common
def command(files: tuple[str, ...], hdu: str | None, header: bool, as_json: bool) -> None:
    """Tell size, sample type, range, state and header words of image files; reads headers only.

    Each normalised word is followed by the rule that produced it.
    """
    from ...engine.errors import EngineError

    told: list[dict[str, Any]] = []
    failed: list[BaseException] = []
    for n, path in enumerate(files):
        try:
            frame = frame_of(path, hdu)
        except (EngineError, OSError) as e:
            failed.append(e)
            continue
        if as_json:
            told.append(_record(path, frame))
        else:
            tell(("\n" if n else "") + "\n".join([path, *(_cards(frame) if header else _summary(path, frame))]))
    if as_json:
        tell_json(told)
    if failed:
        raise _errors.Several(failed)


def frame_of(path: str, hdu: str | None = None) -> Frame:
    """Return the frame of the image in file *path*."""
    from ...engine.process import Known
    from ...nodes.io.read_image import ReadImage

    # Asked directly, not through a graph, so that errors name the file and no node nobody made.
    chosen: int | str | None = int(hdu) if hdu is not None and hdu.isdecimal() else hdu
    return ReadImage(path=path, hdu=chosen).frame(Known())


def _summary(path: str, frame: Frame) -> Iterator[str]:
    lines = [
        ("size", f"{frame.width} x {frame.height}, {_channels(frame)}"),
        ("file", f"{Path(path).stat().st_size:,} bytes".replace(",", " ")),
        ("bounds", _bounds(frame)),
        ("unit", frame.unit or "not told"),
        ("state", frame.state),
        ("mosaic", frame.cfa or "none"),
        ("rows", frame.orientation),
        ("celestial solution", _solution(frame)),
    ]
    if samples := _sample_type(path, frame):
        lines.insert(2, ("samples", samples))
    for name, text in lines:
        yield f"  {name:20}{text}"
    for name, word in frame.words:
        yield f"  {name:20}{'none' if word.value is None else number(word.value)}  ({word.rule})"


def _cards(frame: Frame) -> Iterator[str]:
    for keyword, value, comment in frame.header:
        text = "" if value is None else {True: "T", False: "F"}.get(value, value) if isinstance(value, bool) else value
        yield f"  {keyword:8} = {text}" + (f"  / {comment}" if comment else "")


def _record(path: str, frame: Frame) -> dict[str, Any]:
    return {
        "file": path,
        "bytes": Path(path).stat().st_size,
        "width": frame.width,
        "height": frame.height,
        "channels": frame.channels,
        "color": frame.color,
        "samples": _sample_type(path, frame),
        "bounds": frame.bounds,
        "unit": frame.unit,
        "state": frame.state,
        "cfa": frame.cfa,
        "orientation": frame.orientation,
        "wcs": {k: v for k, v, _ in frame.wcs},
        "words": {name: {"value": w.value, "rule": w.rule} for name, w in frame.words},
        "header": [list(card) for card in frame.header],
    }


def _channels(frame: Frame) -> str:
    alpha = frame.channels - frame.nominal
    kind = {"gray": "gray", "rgb": "RGB", "planes": f"{frame.channels} planes"}[frame.color]
    return kind + (f" and {alpha} further" if alpha else "")


def _bounds(frame: Frame) -> str:
    if frame.bounds is None:
        return "not declared (measured on use)"
    return f"{number(frame.bounds[0])} .. {number(frame.bounds[1])}"


def _solution(frame: Frame) -> str:
    kinds = [str(v).strip() for k, v, _ in frame.wcs if k in ("CTYPE1", "CTYPE2")]
    return f"yes ({', '.join(kinds)})" if kinds else "no"


_TYPES = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}


def _sample_type(path: str, frame: Frame) -> str | None:
    """Return the type of the stored samples where the header says it: in FITS files.

    Other formats carry a copy of somebody's BITPIX at most, which says nothing of their own samples.
    """
    if Path(path).suffix.lower() == ".xisf":
        return None
    bitpix, zero = frame.card("BITPIX"), frame.card("BZERO")
    name = _TYPES.get(bitpix) if isinstance(bitpix, int) else None
    unsigned = {"int16": 2**15, "int32": 2**31, "int64": 2**63}
    scaled = frame.card("BSCALE") not in (None, 1, 1.0)
    if name in unsigned and zero == unsigned[name] and not scaled:
        return f"u{name}"
    return f"{name}, scaled" if name and (scaled or zero) else name
