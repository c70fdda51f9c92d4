"""`lerar preview`: a small picture of an image, stretched for the eye."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path

import rich_click as click

from ._graph_options import graph_options
from ._group import common
from ._output import note, write_whole

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}

_BAYER = 4


@click.command("preview")
@click.argument("target", metavar="FILE|GRAPH:NODE")
@click.option("-o", "--output", required=True, metavar="FILE", help="The picture (.png, .jpg); - for PNG to stdout.")
@click.option(
    "--stf",
    type=click.Choice(["linked", "unlinked", "none"]),
    help="Automatic stretch: one for all channels, one each, or none (default: by the image's state).",
)
@click.option("--region", metavar="Y0,X0,Y1,X1", help="Show only these pixels (rows and columns of storage).")
@click.option("--size", type=click.IntRange(min=1), help="Longest side at most, in pixels (default: 1024).")
@click.option("--scale", type=click.FloatRange(0, 1, min_open=True), help="Largest scale, such as 0.25; no size then.")
@graph_options
@common
def command(
    target: str,
    output: str,
    stf: str | None,
    region: str | None,
    size: int | None,
    scale: float | None,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Write a picture of an image file, or of what a node of a graph makes.

    Pixels are averaged in whole blocks, so the picture may come out a little smaller than asked for.
    Bottom-up images are turned upright, Bayer mosaics are shown in colour. Linear images are stretched, linked,
    or unlinked where they are mosaics.
    """
    if size is not None and scale is not None:
        raise click.UsageError("--size and --scale exclude each other")
    kind = "PNG" if output == "-" else _FORMATS.get(Path(output).suffix.lower())
    if kind is None:
        raise click.UsageError(f"the picture's name must end in {', '.join(_FORMATS)}, got '{output}'")
    from ._images import debayered, target_of
    from ._regions import box_of

    chosen = target_of(target, inputs, settings)
    handle = chosen.handle()
    frame = handle.frame
    mosaic = frame.cfa is not None and len(frame.cfa) == _BAYER
    if mosaic:
        handle = debayered(chosen).handle()
    box = None if region is None else box_of(region)
    if stf is None:
        # The channels of a sensor are not balanced: one stretch for all would leave the picture green.
        stf = "none" if frame.state != "linear" else "unlinked" if mosaic else "linked"
    shown = frame.box if box is None else box
    if scale is not None:
        size = max(1, math.ceil(max(shown.height, shown.width) / math.ceil(1 / scale)))
    picture = handle.preview(stf=stf, size=size or 1024, region=box)  # type: ignore[arg-type]
    data = io.BytesIO()
    picture.save(data, kind)
    if output == "-":
        sys.stdout.buffer.write(data.getvalue())
        sys.stdout.buffer.flush()
        return
    write_whole(Path(output), data.getvalue())
    note(f"{output}: {picture.width} x {picture.height}, stretch {stf}")
