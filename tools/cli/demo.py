"""`lerar demo`: a simulated night, masters, a picture of it, and a report against the truth."""

from __future__ import annotations

import re
from pathlib import Path

import rich_click as click

from ._group import common
from ._output import tell, tell_json
from ._progress import progress_option, watching


class _Size(click.ParamType[tuple[int, int]]):
    """Columns and rows, such as 900x600."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d+)[x×](\d+)", str(value).strip().lower())
        if not found:
            self.fail(f"wanted is WIDTHxHEIGHT, such as 900x600, got {value!r}", param, ctx)
        width, height = map(int, found.groups())
        if min(width, height) < 240:
            self.fail(f"both sides must be at least 240 pixels, got {value!r}", param, ctx)
        return width, height


@click.command("demo")
@click.option("--out", default="lerar-demo", show_default=True, metavar="DIR", help="Folder for what is made.")
@click.option(
    "--size", type=_Size(), default="900x600", show_default=True, metavar="WIDTHxHEIGHT", help="Size of the frames."
)
@click.option(
    "--frames", type=click.IntRange(min=2), help="Lights of each filter (default: 5); of --lerar, frames (300)."
)
@click.option("--lerar", is_flag=True, help="Simulate a series instead, and find a source that no frame shows.")
@click.option(
    "--calibration",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Bias frames, darks, dark flats, and flats of each filter.",
)
@click.option(
    "--osc", type=click.Choice(["RGGB", "BGGR", "GRBG", "GBRG"], case_sensitive=False),
    help="Take a colour camera with this mosaic.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another seed, another night.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made and found as JSON.")
@progress_option
@common
def command(
    out: str,
    size: tuple[int, int],
    frames: int | None,
    lerar: bool,
    calibration: int,
    osc: str | None,
    seed: int,
    as_json: bool,
    progress: bool | None,
) -> None:
    """Simulate a night with known truth, preprocess it, make a picture of it, and judge the masters.

    Lights with dithers, turns and a meridian flip, hot pixels, particles and satellites; darks of two temperatures,
    flats, dark flats and bias. Prints how far the masters are from the truth. See the picture in lrgb.png (osc.png),
    and how it came about in report.html and masters/report.html.

    With --lerar: short exposures with a source of 14.8 s that is far below the noise of one frame; see found.png.
    """
    if lerar:
        _lerar(out, frames or 300, seed, as_json, progress)
        return
    from ..demo import run_demo

    filters = osc.upper() if osc else ("L", "R", "G", "B")
    with watching(progress) as watch:
        result = run_demo(
            Path(out), width=size[0], height=size[1], frames=frames or 5, seed=seed, filters=filters, watch=watch,
            calibration=calibration,
        )  # fmt: skip
    if as_json:
        tell_json(result.document())
    else:
        tell(str(result))


def _lerar(out: str, frames: int, seed: int, as_json: bool, progress: bool | None) -> None:
    from ..demo_lerar import run_lerar_demo

    if frames < 100:
        raise click.BadParameter(f"at least 100 are wanted with --lerar, got {frames}", param_hint="--frames")
    with watching(progress) as watch:
        result = run_lerar_demo(Path(out), frames=frames, seed=seed, watch=watch)
    if as_json:
        tell_json(result.document())
    else:
        tell(str(result))
