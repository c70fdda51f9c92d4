"""Three channels combined and stretched with known parameters: nothing is measured, each byte is read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import plain
from ..data import HEADER, write_sky
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload, peer
from .mosaic import CHANNELS, Slices, _header, _write, agree, files, planes

_SHADOWS, _MIDTONES = 0.03, 0.02
_BAND = 256


def make(folder: Path, size: Settings) -> None:
    # The header tells the range of the samples: without, lerarlink would measure it first.
    for stream, name in enumerate(CHANNELS):
        write_sky(folder / f"{name}.fits", size["width"], size["height"], stream=stream, LERBLO=0.0, LERBHI=1.0)


def ours(task: Task) -> None:
    from ....graphs.document import Graph

    g = Graph()
    red, green, blue = (g.add("ReadImage", name=n, path=str(task.data / f"{n}.fits")) for n in CHANNELS)
    rgb = g.add("ChannelCombination", red=red, green=green, blue=blue)
    shown = g.add("HistogramTransformation", image=rgb, shadows=_SHADOWS, midtones=_MIDTONES)
    g.add("WriteImage", image=shown, path=str(task.out / "picture.fits"), sample_format="uint16")
    with task.section("run", 3.0 * task.size["width"] * task.size["height"]):
        report = g.run(provenance=False)
    task.told(report)


def whole_numpy(task: Task) -> None:
    with task.section("run"):
        channels = [np.asarray(p, np.float32) for p in planes(task)]
        _write(task.out, [plain.codes(plain.stretched(c, _SHADOWS, _MIDTONES)) for c in channels])


def strips(task: Task) -> None:
    """Numpy on strips of 256 rows: what a careful program does by hand."""
    height, width = task.size["height"], task.size["width"]
    with task.section("run"), (task.out / "picture.fits").open("wb") as f:
        f.write(_header(width, height))
        for plane in planes(task):
            for y in range(0, height, _BAND):
                x = plain.stretched(np.asarray(plane[y : y + _BAND], np.float32), _SHADOWS, _MIDTONES)
                f.write((plain.codes(x) ^ np.uint16(0x8000)).astype(">u2").tobytes())


def dask_expression(task: Task) -> None:
    da = peer("dask.array")
    height, width = task.size["height"], task.size["width"]
    with task.section("run"):
        made = []
        for plane in planes(task):
            x = plain.stretched(da.from_array(Slices(plane), chunks=(_BAND, width)), _SHADOWS, _MIDTONES)
            made.append((da.rint(x * np.float32(65535)).astype(np.uint16) ^ np.uint16(0x8000)).astype(">u2"))
        with (task.out / "picture.fits").open("wb") as f:
            f.write(_header(width, height))
            f.truncate(HEADER + 6 * width * height)
        place = np.memmap(task.out / "picture.fits", ">u2", "r+", HEADER, (3, height, width))
        da.store(made, [place[n] for n in range(3)], lock=False)
        place.flush()


def libvips(task: Task) -> None:
    vips = peer("pyvips")
    height, width = task.size["height"], task.size["width"]
    with task.section("run"):
        bands = []
        for path in files(task.data, task.size):
            x = vips.Image.rawload(str(path), width, height, 1, offset=HEADER, format="float").byteswap()
            x = x.linear([1 / (1 - _SHADOWS)], [-_SHADOWS / (1 - _SHADOWS)])
            x = (x > 1).ifthenelse(1, (x < 0).ifthenelse(0, x))
            x = x.linear([_MIDTONES - 1], [0]) / x.linear([2 * _MIDTONES - 1], [-_MIDTONES])
            bands.append(x.linear([65535], [0.5]).cast("ushort"))
        bands[0].bandjoin(bands[1:]).copy(interpretation="rgb16").tiffsave(str(task.out / "picture.tif"), bigtiff=True)


def figures(results: Any) -> list[Figure]:
    anonymous = results.least(OURS, what="anonymous")
    return [
        Figure("CPU against cp", results.ratio(OURS, "cp", section="run"), "x", 1.5),
        Figure("anonymous memory", anonymous / 1e6 if anonymous else None, "MB", 300.0),
        Figure("CPU against libvips", results.ratio(OURS, "libvips"), "x"),
    ]


WORKLOAD = Workload(
    name="pointwise",
    title="A chain of pointwise processes",
    about=(
        "Three float32 FITS files are combined, their shadows clipped, stretched and written with 16 bits, all by "
        "known parameters. Whole processes, start-up included; the ratio to cp is that of the run alone."
    ),
    sizes={"small": {"width": 320, "height": 250}, "full": {"width": 10000, "height": 10000}},
    make=make,
    shares="pointwise",
    entrants=(
        Entrant(OURS, ours),
        Entrant("libvips", libvips, "pyvips"),
        Entrant("numpy, strips", strips),
        Entrant("numpy", whole_numpy, memory=lambda s: 4.0 * 8 * s["width"] * s["height"]),
        Entrant("dask", dask_expression, "dask.array", memory=lambda s: 4.0 * 3 * s["width"] * s["height"]),
    ),
    agree=agree,
    figures=figures,
    copied=files,
)
