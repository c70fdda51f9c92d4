"""Three large images into a picture: two linear fits, combined, stretched, written with 16 bits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import plain
from ..data import HEADER, header, padding, samples, write_sky
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload, peer
from ._siril import version

CHANNELS = ("R", "G", "B")
_LEVELS = {"R": (1.0, 0.0), "G": (0.8, 0.02), "B": (0.6, 0.05)}
_BAND = 256


def make(folder: Path, size: Settings) -> None:
    for stream, name in enumerate(CHANNELS):
        gain, offset = _LEVELS[name]
        write_sky(folder / f"{name}.fits", size["width"], size["height"], stream=stream, gain=gain, offset=offset)


def files(folder: Path, size: Settings) -> list[Path]:
    return [folder / f"{name}.fits" for name in CHANNELS]


def planes(task: Task) -> list[Any]:
    return [samples(path, task.size["height"], task.size["width"]) for path in files(task.data, task.size)]


# -- lerarlink ----------------------------------------------------------------------------------------


def graph(data: Path, out: Path) -> Any:
    """Return the graph; its last image is that of node ``picture``."""
    from ....graphs.document import Graph

    g = Graph()
    red, green, blue = (g.add("ReadImage", name=n, path=str(p)) for n, p in zip(CHANNELS, files(data, {}), strict=True))
    fits = [g.add("LinearFit", name=f"fit-{i.name}", image=i, reference=red) for i in (green, blue)]
    rgb = g.add("ChannelCombination", name="rgb", red=red, green=fits[0], blue=fits[1])
    display = g.add("ScreenTransferFunction", name="display", image=rgb, linked=True)
    picture = g.add("HistogramTransformation", name="picture", image=rgb, display=display.display)
    g.add("WriteImage", name="write", image=picture, path=str(out / "picture.fits"), sample_format="uint16")
    return g


def ours(task: Task) -> None:
    g = graph(task.data, task.out)
    with task.section("run", 3.0 * task.size["width"] * task.size["height"]):
        report = g.run()
    task.told(report)


# -- peers --------------------------------------------------------------------------------------------


def statistics(channels: list[Any]) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Return the lines of all channels to the first, and the stretch, from samples of the images."""
    lines = [(0.0, 1.0), *(plain.line_to(c, channels[0]) for c in channels[1:])]
    found = [plain.median_and_mad(plain.fitted(plain.sampled(c), one)) for c, one in zip(channels, lines, strict=True)]
    return lines, plain.linked_stretch(found)


def whole_numpy(task: Task) -> None:
    """Whole arrays, one expression after the other."""
    with task.section("run"):
        channels = [np.asarray(p, np.float32) for p in planes(task)]
        lines, (shadows, midtones) = statistics(channels)
        made = [plain.fitted(c, one) for c, one in zip(channels, lines, strict=True)]
        del channels
        _write(task.out, [plain.codes(plain.stretched(c, shadows, midtones)) for c in made])


def _write(out: Path, made: list[Any]) -> None:
    height, width = made[0].shape
    with (out / "picture.fits").open("wb") as f:
        f.write(_header(width, height))
        for c in made:
            f.write((c ^ np.uint16(0x8000)).astype(">u2").tobytes())
        f.write(padding(6 * width * height))


def _header(width: int, height: int) -> bytes:
    # Three planes: a third axis where `header` has room for its words.
    return header(width, height, 16, NAXIS3=3, BZERO=32768).replace(b"NAXIS   =                    2",
                                                                   b"NAXIS   =                    3")  # fmt: skip


class Slices:
    """What dask takes slices of without copying the file first."""

    def __init__(self, plane: Any) -> None:
        self.plane, self.shape, self.dtype, self.ndim = plane, plane.shape, np.dtype(np.float32), 2

    def __getitem__(self, at: Any) -> Any:
        return np.asarray(self.plane[at], np.float32)

    def __dask_tokenize__(self) -> tuple[str, int]:
        return str(self.plane.filename), self.plane.size


def dask_expression(task: Task) -> None:
    """One `dask.array` expression over bands of rows, stored into a mapped file."""
    da = peer("dask.array")
    height, width = task.size["height"], task.size["width"]
    with task.section("run"):
        raw = planes(task)
        lines, (shadows, midtones) = statistics(raw)
        made = []
        for plane, (a, b) in zip(raw, lines, strict=True):
            x = da.from_array(Slices(plane), chunks=(_BAND, width))
            x = da.clip(np.float32(a) + np.float32(b) * x, 0, 1)
            x = plain.stretched(x, shadows, midtones)
            made.append((da.rint(x * np.float32(65535)).astype(np.uint16) ^ np.uint16(0x8000)).astype(">u2"))
        with (task.out / "picture.fits").open("wb") as f:
            f.write(_header(width, height))
            f.truncate(HEADER + 6 * width * height)
        place = np.memmap(task.out / "picture.fits", ">u2", "r+", HEADER, (3, height, width))
        da.store(made, [place[n] for n in range(3)], lock=False)
        place.flush()


def libvips(task: Task) -> None:
    """A pipeline of libvips, written as TIFF, as its users do."""
    vips = peer("pyvips")
    height, width = task.size["height"], task.size["width"]
    with task.section("run"):
        lines, (shadows, midtones) = statistics(planes(task))
        bands = []
        for path, (a, b) in zip(files(task.data, task.size), lines, strict=True):
            x = vips.Image.rawload(str(path), width, height, 1, offset=HEADER, format="float").byteswap()
            x = x.linear([b], [a])
            x = (x > 1).ifthenelse(1, (x < 0).ifthenelse(0, x))
            x = x.linear([1 / (1 - shadows)], [-shadows / (1 - shadows)])
            x = (x > 1).ifthenelse(1, (x < 0).ifthenelse(0, x))
            x = x.linear([midtones - 1], [0]) / x.linear([2 * midtones - 1], [-midtones])
            bands.append(x.linear([65535], [0.5]).cast("ushort"))
        picture = bands[0].bandjoin(bands[1:]).copy(interpretation="rgb16")
        picture.tiffsave(str(task.out / "picture.tif"), bigtiff=True)


def siril(task: Task) -> None:
    """A script of Siril."""
    script = task.out / "run.ssf"
    lines = ["requires 1.3.4", "setcpu 2", "set32bits"]
    for name in ("G", "B"):
        lines += [f"load {task.data / name}.fits", f"linear_match {task.data}/R.fits 0 0.92", f"save {task.out / name}"]
    lines += [
        f"load {task.data}/R.fits", f"save {task.out}/R", f"cd {task.out}", "rgbcomp R G B -out=rgb", "load rgb",
        "autostretch -linked", "set16bits", "save picture", "close",
    ]  # fmt: skip
    script.write_text("\n".join(lines) + "\n", "utf-8")
    task.facts["version"] = version(task.command("run", [*task.siril, "-d", str(task.out), "-s", str(script)]))


# -- what comes of it ---------------------------------------------------------------------------------


def picture(out: Path, size: Settings) -> Any:
    """Return the 16-bit codes that an entrant wrote."""
    found = next(p for p in (out / "picture.fits", out / "picture.tif") if p.exists())
    if found.suffix == ".tif":
        return np.moveaxis(np.asarray(peer("tifffile").imread(found)), -1, 0)
    raw = found.read_bytes()
    end = next(n for n in range(0, len(raw), 80) if raw[n : n + 80].strip() == b"END")
    start = -(-(end + 80) // HEADER) * HEADER
    shape = 3, size["height"], size["width"]
    data = np.frombuffer(raw, ">u2", 3 * size["height"] * size["width"], start).reshape(shape)
    return data.astype(np.uint16) ^ np.uint16(0x8000)


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    """Compare all pictures with numpy's: at most two codes in ten thousand apart, as the stretch is steep."""
    if "numpy" not in found:
        return {}
    truth = picture(found["numpy"][1], size).astype(np.int64)
    far = {
        name: int(np.percentile(np.abs(picture(out, size).astype(np.int64) - truth), 99))
        for name, (_, out) in found.items()
        if name != "Siril"  # its stretch takes other statistics; only its cost is compared
    }
    return {name: f"{d} of 65535 codes from numpy" if d > 13 else "" for name, d in far.items()}


def figures(results: Any) -> list[Figure]:
    stages = results.fact(OURS, "stages") or []
    writing = next((s for s in stages if s["action"] == "write"), None)
    copied = results.least("cp")
    anonymous = results.least(OURS, what="anonymous")
    return [
        Figure("CPU seconds in all", results.least(OURS), "s", 6.0),
        Figure("CPU of the pixel pass against cp", writing["cpu"] / copied if writing and copied else None, "x", 1.5),
        Figure("anonymous memory", anonymous / 1e6 if anonymous else None, "MB", 300.0),
        Figure("CPU against libvips", results.ratio(OURS, "libvips"), "x"),
        Figure("CPU against Siril", results.ratio(OURS, "Siril"), "x"),
    ]


WORKLOAD = Workload(
    name="mosaic",
    title="Three channels into a stretched picture",
    about=(
        "Three float32 FITS files; green and blue are fitted to red by the line of least absolute deviation, the three "
        "are combined, stretched by one automatic stretch and written with 16 bits. lerarlink takes every pixel for "
        "its statistics, and finds the range of the samples first, which the headers do not tell; numpy, dask and "
        "libvips take 200,000 pixels and know the range. Whole processes, start-up included."
    ),
    sizes={"small": {"width": 320, "height": 250}, "full": {"width": 20000, "height": 20000}},
    make=make,
    shares="mosaic",
    entrants=(
        Entrant(OURS, ours),
        Entrant("libvips", libvips, "pyvips"),
        Entrant("dask", dask_expression, "dask.array", memory=lambda s: 4.0 * 3 * s["width"] * s["height"]),
        Entrant("numpy", whole_numpy, memory=lambda s: 4.0 * 8 * s["width"] * s["height"]),
        Entrant("Siril", siril, memory=lambda s: 4.0 * 7 * s["width"] * s["height"]),
    ),
    agree=agree,
    figures=figures,
    copied=files,
)
