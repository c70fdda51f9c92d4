"""`lerar demo`: a simulated sky, a picture of it, and a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import rich_click as click

from ._group import common
from ._output import tell, tell_json
from ._progress import progress_option, watching


@click.command("demo")
@click.option("--out", default="lerar-demo", show_default=True, metavar="DIR", help="Folder for what is made.")
@click.option("--width", type=click.IntRange(min=64), default=1200, show_default=True, help="Columns of the sky.")
@click.option("--height", type=click.IntRange(min=64), default=800, show_default=True, help="Rows of the sky.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another seed, another sky.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made and found as JSON.")
@progress_option
@common
def command(out: str, width: int, height: int, seed: int, as_json: bool, progress: bool | None) -> None:
    """Simulate a small sky with known truth, make a picture of it by the LRGB recipe, and report.

    Prints the linear fits that were found beside the true ones. See the picture in lrgb.png, and how it came
    about in report.html.
    """
    from ..demo import run_demo

    with watching(progress) as watch:
        result = run_demo(Path(out), width=width, height=height, seed=seed, watch=watch)
    if as_json:
        tell_json(asdict(result))
    else:
        tell(str(result))
