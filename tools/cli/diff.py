"""`lerar diff`: what differs between two graphs or images."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import rich_click as click

from ...engine.errors import EngineError, GraphError
from ._errors import DIFFERENT
from ._group import common
from ._output import note, tell, tell_json, write_whole

if TYPE_CHECKING:
    from ...engine.graph import Link
    from ...graphs.diff.changes import Difference
    from ...graphs.diff.sides import Side
    from ..difference import Compared, Source
    from ..estimate import Estimate
    from ._sides import Subject

_FORMATS = ("text", "json", "html", "svg")
_BY_EXTENSION = {".json": "json", ".html": "html", ".htm": "html", ".svg": "svg"}
# What a run does with a node that costs work.
_WORK = ("runs", "computes", "reads", "writes")


class Outlook(NamedTuple):
    """What running the second graph would take, as far as headers and the store can tell."""

    must_run: int | None = None
    of: int = 0
    unknown: str = ""
    estimate: Estimate | None = None

    def told(self) -> str:
        if self.must_run is not None:
            time = f", {self.estimate.told()}" if self.estimate and self.must_run else ""
            return f"{self.must_run} of {self.of} nodes must run{time}"
        return f"what must run cannot be told: {self.unknown}" if self.unknown else ""


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), help="Default: by the output file's extension, else text."
)
@click.option("-o", "--output", metavar="FILE", help="Write here instead of to stdout.")
@click.option("--pixels", is_flag=True, help="Compare the pixels of the outputs, too; runs graphs as far as needed.")
@click.option("--difference", "difference_path", metavar="PNG", help="Write a picture of the difference.")
@click.option("--blink", "blink_path", metavar="PNG", help="Write an animated PNG of before and after in turn.")
@click.option("--forecast/--no-forecast", default=True, help="Look at headers and the store for what must run.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing; only the exit code tells.")
@common
def command(
    before: str,
    after: str,
    form: str | None,
    output: str | None,
    pixels: bool,
    difference_path: str | None,
    blink_path: str | None,
    forecast: bool,
    quiet: bool,
) -> int:
    """Tell what differs between A and B: graph files, recipes, or images that carry the graph they were made by.

    Nodes are paired by name, then by what they make, then by their neighbours. Exits with 0 where nothing differs
    and with 5 where something does.
    """
    from ._sides import subject

    a, b = subject(before), subject(after)
    looks = pixels or bool(difference_path or blink_path)
    found = None
    if not (looks and (a.side is None or b.side is None)):
        from ...graphs.diff.changes import diff

        found = diff(a.needed(), b.needed())
    compared = _pixels(a, b, found) if looks else []
    _write_pictures(compared, difference_path, blink_path)
    if form is None:
        form = _BY_EXTENSION.get(Path(output).suffix.lower(), "text") if output else "text"
    if not quiet:
        seen = _outlook(found) if forecast and found and form != "svg" else Outlook()
        _print(_made(form, a, b, found, compared, seen), form, output)
    different = bool(found) or any(not c.equal for c in compared)
    return DIFFERENT if different else 0


def _outlook(found: Difference) -> Outlook:
    """Return how many nodes a run would set to work to bring the outputs up to date."""
    from ._dry_run import forecast

    if not found.outputs:
        return Outlook()
    try:
        told = forecast(found.b.graph(), list(found.outputs), [])
    except EngineError as e:
        return Outlook(unknown=" ".join(str(e).split()))
    return Outlook(sum(n.does in _WORK for n in told.nodes), len(found.b.nodes), estimate=told.estimate)


# -- what is printed ----------------------------------------------------------------------------------


def _made(
    form: str, a: Subject, b: Subject, found: Difference | None, compared: list[Compared], seen: Outlook
) -> Any:
    if form == "json":
        return _plain(a, b, found, compared, seen)
    if form == "text":
        return _text(found, compared, seen)
    if found is None:
        raise GraphError(f"{a.name} and {b.name}: only graphs can be drawn, and an image without one is among them")
    from ...graphs.diff import drawing

    if form == "svg":
        return drawing.svg(found)
    pixels = [line for c in compared for line in c.lines()]
    return drawing.html(found, _meaning(found, seen), pixels, _figures(compared))


def _meaning(found: Difference, seen: Outlook) -> list[str]:
    from ...graphs.diff.text import meaning

    if not found:
        return ["The graphs are equal."]
    return ["; ".join(filter(None, (meaning(found), seen.told())))]


def _text(found: Difference | None, compared: list[Compared], seen: Outlook) -> str:
    from ...graphs.diff.text import lines

    told = lines(found) if found is not None else []
    if told and seen.told():
        told[-1] += f"; {seen.told()}"
    return "\n".join(told + [line for c in compared for line in c.lines()])


def _plain(a: Subject, b: Subject, found: Difference | None, compared: list[Compared], seen: Outlook) -> Any:
    from ...graphs.diff.text import plain

    made = plain(found) if found is not None else {"equal": True, "a": a.name, "b": b.name}
    if compared:
        made["pixels"] = [c.plain() for c in compared]
        made["equal"] = made["equal"] and all(c.equal for c in compared)
    if seen.must_run is not None:
        made["run"] = {"must_run": seen.must_run, "of": seen.of, **(asdict(seen.estimate) if seen.estimate else {})}
    elif seen.unknown:
        made["run"] = {"unknown": seen.unknown}
    return made


def _print(made: Any, form: str, output: str | None) -> None:
    if output is not None:
        from ._output import plain

        if form == "json":
            import json

            made = json.dumps(plain(made), indent=2, ensure_ascii=False)
        write_whole(Path(output), (made if made.endswith("\n") or not made else made + "\n").encode())
    elif form == "json":
        tell_json(made)
    elif made:
        tell(made)


# -- pixels -------------------------------------------------------------------------------------------


def _pixels(a: Subject, b: Subject, found: Difference | None) -> list[Compared]:
    from ..difference import compare

    if a.image is not None and b.image is not None:
        return [compare(f"{a.name}, {b.name}", a.image, b.image)]
    if found is None:
        named = a.name if a.side is None else b.name
        raise GraphError(f"{named}: an image that carries no graph can only be compared with another image")
    return [compare(name, x, y) for name, x, y in _pairs(a, b, found)]


def _pairs(a: Subject, b: Subject, found: Difference) -> list[tuple[str, Source, Source]]:
    """Return what is compared: an image with that output of a graph, or all outputs that two graphs share."""
    from ...engine.graph import Link
    from ...graphs.schema import split_link
    back = {y: x for x, y in found.pairs.items()}
    if a.image is not None or b.image is not None:
        image, other = (a, b) if a.image is not None else (b, a)
        node, port = split_link(image.shown)
        twin = (found.pairs if image is a else back).get(node)
        if twin is None:
            raise GraphError(f"{other.name}: has no node that is '{node}', which {image.name} shows")
        assert image.image is not None
        source = other.needed(), Link(twin, port)
        return [(image.shown, image.image, source) if image is a else (image.shown, source, image.image)]
    made = []
    for node in found.b.outputs:
        old = back.get(node)
        x = _image(found.a, old) if old else None
        y = _image(found.b, node)
        if x is None or y is None:
            note(f"{node}: {'no image' if y is None else 'nothing before'} to compare")
        elif node in found.outputs:
            made.append((node, (found.a, x), (found.b, y)))
    return _without_twins(made)


def _image(side: Side, node: str) -> Link | None:
    from ..difference import image_of

    return image_of(side, node)


def _without_twins(made: list[Any]) -> list[tuple[str, Source, Source]]:
    """Return each pair of images once, however many files they are written to."""
    seen: dict[Any, tuple[str, Source, Source]] = {}
    for name, x, y in made:
        seen.setdefault((x[1], y[1]), (name, x, y))
    return list(seen.values())


def _write_pictures(compared: list[Compared], difference: str | None, blink: str | None) -> None:
    shown = next((c for c in compared if not c.equal and not c.reason), None)
    if shown is None:
        for path in filter(None, (difference, blink)):
            note(f"{path}: not written, there is no difference to show")
        return
    if difference is not None:
        write_whole(Path(difference), _png(shown.difference_picture()))
    if blink is not None:
        write_whole(Path(blink), shown.blink())


def _figures(compared: list[Compared]) -> list[Any]:
    from ...graphs.diff.drawing import Figure

    made = []
    for one in compared:
        if not one.equal and not one.reason:
            picture = _png(one.difference_picture())
            made.append(Figure(f"{one.name}: after minus before, gray is equal", _address(picture)))
            made.append(Figure(f"{one.name}: before and after in turn", _address(one.blink())))
    return made


def _png(picture: Any) -> bytes:
    made = io.BytesIO()
    picture.save(made, "PNG")
    return made.getvalue()


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
