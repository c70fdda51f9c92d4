"""`lerar run --lerar-link`: what varies with a period in a series of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rich_click as click

from ._output import note, size, table, tell, tell_json
from ._progress import watching


def lerar_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a Lerar Link."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


class _Numbers(click.ParamType[tuple[float, ...]]):
    """Some numbers between commas."""

    name = "numbers"

    def __init__(self, count: int, what: str) -> None:
        self.count, self.what = count, what

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            found = ()
        if len(found) != self.count:
            self.fail(f"wanted is {self.what}, got {value!r}", param, ctx)
        return found


class _Named(click.ParamType[tuple[str, str]]):
    """A name and, after an equals sign, shapes."""

    name = "region"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, _, shapes = str(value).partition("=")
        if not name.strip() or not shapes.strip():
            self.fail(f"wanted is NAME=SHAPES, such as core='circle 120,80,6', got {value!r}", param, ctx)
        return name.strip(), shapes.strip()


_OPTIONS = (
    click.option(
        "--lerar-link", "lerar_link", metavar="TRV",
        help='Find what varies in frames: "[TRV:14.8s]" with a period, "[TRV:0.4d..10d]" with any of a range.',
    ),
    click.option(
        "--region", "regions", type=_Named(), multiple=True, metavar="NAME=SHAPES",
        help="Lerar Link: a region such as core='circle 120,80,6', whose best period [TRV:seed(core)] takes; "
        "repeatable.",
    ),
    click.option(
        "--register/--registered", "register", default=None,
        help="Lerar Link: align the frames first, or not (default: where their stars do not lie on one another).",
    ),
    click.option(
        "--preprocess", is_flag=True,
        help="Lerar Link: frames are raw; calibrate them by the darks, flats and bias of the folders, as "
        "lerar preprocess does. Nothing of it is written.",
    ),
    click.option(
        "--noise", type=click.Choice(["local", "white"]), default="local", show_default=True,
        help="Lerar Link: judge variation by frequencies nearby, or by residuals, which must then have no memory.",
    ),
    click.option(
        "--regressor", "regressors", multiple=True, metavar="COLUMN",
        help="Lerar Link: fit a column of the frame table besides, such as airmass, dx, pos_corr1; repeatable.",
    ),
    click.option(
        "--star-width", type=click.FloatRange(min=0.0, max=64.0), default=0.0, metavar="PX",
        help="Lerar Link: FWHM of the profile by which stars are measured (default: that of the stars).",
    ),
    click.option(
        "--times", "times", metavar="FILE", help="Lerar Link: a table of filename,time where headers tell no time."
    ),
    click.option(
        "--site", type=_Numbers(3, "LONGITUDE,LATITUDE,HEIGHT"), metavar="LON,LAT,HEIGHT",
        help="Lerar Link: where the telescope stood (degrees east and north, metres), for barycentric times.",
    ),
    click.option(
        "--pointing", type=_Numbers(2, "RA,DEC"), metavar="RA,DEC",
        help="Lerar Link: where it pointed, degrees, for barycentric times.",
    ),
)  # fmt: skip


def run_link(
    frames: Sequence[str], out: str | None, settings: Sequence[str], asked: Mapping[str, Any], how: Mapping[str, Any],
    *, as_json: bool, quiet: bool, progress: bool | None,
) -> None:  # fmt: skip
    """Run a Lerar Link over *frames* and print what it found.

    Parameters
    ----------
    asked
        The values of `lerar_options`.
    how
        For `Graph.run`.
    """
    import os

    from ...engine.store import Store
    from ...graphs.history import note_run
    from ...graphs.series import SeriesOptions
    from ..lerar import frame_files, raw_lights, run_lerar
    from ._graphs import refuse_problems, tuned

    raw = raw_lights(frames) if asked["preprocess"] else None
    paths = frame_files(frames) if raw is None else [r.path for g in raw.lights() for r in g.records]
    options = SeriesOptions(
        trv=asked["lerar_link"], noise=asked["noise"], regressors=asked["regressors"],
        times=os.path.abspath(asked["times"]) if asked["times"] else "", site=asked["site"], pointing=asked["pointing"],
        width=asked["star_width"], raw=raw, regions=dict(asked["regions"]),
    )  # fmt: skip
    options.vector  # noqa: B018 - what does not parse is told before frames are opened

    def prepare(graph: Any) -> None:
        tuned(graph, settings)
        refuse_problems(graph)

    folder = Path(out) if out is not None else None if as_json else Path("lerar-link")
    with watching(False if quiet else progress) as watch:
        result = run_lerar(
            paths, options, folder, register=asked["register"], settings=prepare,
            tell=(lambda line: None) if quiet else note, watch=watch, noted="", **how,
        )  # fmt: skip
    name = f"lerar-link {os.path.realpath(out or 'lerar-link')}"
    note_run(Store(), result.graph, name, seconds=result.seconds, written=result.files)
    if as_json:
        tell_json(result.document())
        return
    tell(_found(result.detections))
    if not quiet:
        written = sum(os.path.getsize(p) for p in result.files)
        note(f"{len(result.files)} files ({size(written)}) in {folder}, {result.seconds:.1f} s")


def _found(detections: Sequence[Mapping[str, Any]]) -> str:
    """Return the sources as a table, the surest first."""
    if not detections:
        return "nothing varies significantly"
    rows = [
        (f"{d['y']:.1f}", f"{d['x']:.1f}", _period(d), f"{d['amplitude']:.4g} +- {d['amplitude_err']:.2g}",
         f"{d['relative']:.3%}" if d["relative"] == d["relative"] else "", f"{d['phase']:.3f}", f"{d['log10_p']:.1f}",
         d["of"])
        for d in detections
    ]  # fmt: skip
    names = ("row", "column", "period", "amplitude", "relative", "phase", "log10 p", "of")
    return table(names, rows, right=(0, 1, 5, 6))


def _period(one: Mapping[str, Any]) -> str:
    return f"{one['period_s']:.7g} s" if one["period_d"] < 1.0 else f"{one['period_d']:.7g} d"
