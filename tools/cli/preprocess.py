"""`lerar preprocess`: from folders of raw frames to a graph, and to aligned masters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ...engine.errors import SourceError
from . import _errors
from ._group import common
from ._output import note, tell, tell_json, write_whole
from ._progress import progress_option, watching
from .links import matched_folders, matching_options

if TYPE_CHECKING:
    from ...engine.run import Report
    from ...graphs.document import Graph
    from ...graphs.preprocess.build import Options
    from ...graphs.preprocess.match import LeftOut, Matching
    from ...graphs.preprocess.stacks import Stack, Stacks


def _words(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Let an option be given several times or with commas."""
    return tuple(word.strip() for text in value for word in text.split(",") if word.strip())


@click.command("preprocess")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("-o", "--output", metavar="GRAPH", help="Write the graph here: .lerar, .yaml or .json.")
@click.option("--run", "run", is_flag=True, help="Run the graph: write the masters.")
@click.option("--out", default="lerar-masters", show_default=True, metavar="DIR", help="Folder of what --run writes.")
@click.option("--allow-broken", is_flag=True, help="Go on where links are unresolved, without what is missing.")
@matching_options
@click.option(
    "--split-by", multiple=True, callback=_words, metavar="WORD",
    help="Make masters of their own for each exposure, night, gain or value of a keyword; repeatable.",
)
@click.option("--no-registration", is_flag=True, help="Stack frames as they lie.")
@click.option("--no-cosmetic", is_flag=True, help="Leave hot pixels to the rejection.")
@click.option("--rejection", default="auto", show_default=True, metavar="METHOD", help="Rejection of ImageIntegration.")
@click.option(
    "--debayer", type=click.Choice(["vng", "bilinear", "superpixel"]), default="vng", show_default=True,
    help="How colours are made of a mosaic.",
)
@click.option(
    "--weights", type=click.Choice(["noise", "psf", "none"]), default="noise", show_default=True,
    help="What a light counts by: its noise, the signal of its stars, or all alike.",
)
@click.option(
    "--normalization", type=click.Choice(["global", "local"]), default="global", show_default=True,
    help="How levels of lights are made alike; local: place by place, which takes changing gradients.",
)
@click.option("--keep", multiple=True, callback=_words, metavar="WORD", help="Also write calibrated, registered.")
@click.option(
    "--combine", type=click.Choice(["auto", "none", "lrgb"]), default="auto", show_default=True,
    help="Make one picture of the masters; auto: where there are R, G and B.",
)
@click.option("--no-previews", is_flag=True, help="Write no pictures of the masters.")
@click.option("--workers", type=click.IntRange(min=1), help="How many (default: the processors this process may use).")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
@progress_option
@common
def command(
    folders: tuple[str, ...],
    output: str | None,
    run: bool,
    out: str,
    allow_broken: bool,
    matched: dict[str, Any],
    split_by: tuple[str, ...],
    workers: int | None,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    **made: Any,
) -> None:
    """Match raw frames with their calibration frames, and make a graph of it all: one master for each filter.

    Headers are read first, names of files and folders where headers are silent. Shows what is linked to what; a link
    that is missing ends it with exit code 3, unless --allow-broken. With --run the masters are written, the links as
    links.html beside them; nothing else is.

    lerar preprocess NIGHT --run --out masters
    """
    from ...graphs.preprocess.links import show

    options = _options(made)
    job = _Job.of(matched_folders(folders, matched, split_by=split_by, skip=[out]), options)
    if not (quiet or as_json):
        (note if run else tell)(show(job.told) + _masters(job.stacks))
    if job.told.broken and not allow_broken:
        raise _errors.Several([SourceError(str(link)) for link in job.told.broken])
    if not job.stacks.stacks:
        raise SourceError(f"{', '.join(folders)}: no lights were found")
    if not run:
        _save(job.graph(options), output, quiet)
        _report(job, None, as_json=as_json, quiet=quiet)
        return
    with watching(False if quiet else progress) as watch:
        how: dict[str, Any] = {"workers": workers, "watch": watch}
        job = _without_unaligned(job, options, how)
        graph = job.graph(options)
        _save(graph, output, quiet)
        done = _run(graph, job, out, how)
    _report(job, done, as_json=as_json, quiet=quiet)


@dataclass(frozen=True)
class _Job:
    """What is to be made, and what is left out of it."""

    matching: Matching
    stacks: Stacks
    unaligned: tuple[LeftOut, ...] = ()

    @classmethod
    def of(cls, matching: Matching, options: Options, unaligned: tuple[LeftOut, ...] = ()) -> _Job:
        from ...graphs.preprocess.stacks import stacks_of

        return cls(matching, stacks_of(matching, register=options.register), unaligned)

    @property
    def told(self) -> Matching:
        """The matching, with all that is left out and all notes."""
        return replace(
            self.matching,
            left_out=(*self.matching.left_out, *self.stacks.left_out, *self.unaligned),
            notes=(*self.matching.notes, *self.stacks.notes),
        )

    def graph(self, options: Options) -> Graph:
        from ...graphs.preprocess.build import build

        return build(self.told, self.stacks, options)


def _options(made: dict[str, Any]) -> Options:
    from ...graphs.preprocess.build import Options

    return Options(
        register=not made["no_registration"],
        cosmetic=not made["no_cosmetic"],
        rejection=made["rejection"],
        debayer=made["debayer"],
        weights=made["weights"],
        normalization=made["normalization"],
        keep=made["keep"],
        combine=made["combine"],
        previews=not made["no_previews"],
    )


def _masters(stacks: Stacks) -> str:
    return "".join(f"master_{s.name}.fits of {s.count} light{'s' if s.count > 1 else ''}\n" for s in stacks.stacks)


def _save(graph: Graph, output: str | None, quiet: bool) -> None:
    if output is not None:
        graph.save(output)
        if not quiet:
            note(f"wrote {output}: {len(graph)} nodes")


def _without_unaligned(job: _Job, options: Options, how: dict[str, Any]) -> _Job:
    """Return *job* without the lights that cannot be registered.

    What is measured for it stays in the store, so that the run that follows has it already.

    Raises
    ------
    SourceError
        None can.
    """
    from ...graphs.preprocess.match import LeftOut, match

    graph = job.graph(options)
    nodes = {f"registered-{s.name}": s for s in job.stacks.stacks if f"registered-{s.name}" in graph}
    values = graph.run(list(nodes), **how).values if nodes else {}
    found = {path: why for node, stack in nodes.items() for path, why in _unaligned(node, stack, values)}
    if not found:
        return job
    kept = [r for g in job.matching.groups for r in g.records if r.path not in found]
    if not any(r.kind == "light" for r in kept):
        path, why = next(iter(found.items()))
        raise SourceError(
            f"none of {len(found)} lights could be registered, such as {path}: {why}; "
            "--no-registration stacks them as they lie"
        )
    matching = replace(match(kept, job.matching.rules), left_out=job.matching.left_out)
    unaligned = tuple(LeftOut(path, f"could not be registered: {why}") for path, why in found.items())
    return _Job.of(matching, options, unaligned)


def _unaligned(node: str, stack: Stack, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the frames of a stack that could not be registered, and why."""
    paths = [r.path for g in stack.groups for r in g.records]
    for label, value in values.items():
        if label.startswith(f"{node}/") and isinstance(value, dict) and value.get("kind") == "none":
            place = label.rpartition("[")[2].removesuffix("]")
            yield paths[int(place) if place.isdecimal() else 0], str(value["why"])


def _run(graph: Graph, job: _Job, out: str, how: dict[str, Any]) -> Report:
    from ...graphs.preprocess.links import show
    from ._graphs import redirect, refuse_problems

    refuse_problems(graph)
    redirect(graph, out)
    Path(out).mkdir(parents=True, exist_ok=True)
    report = graph.run(**how)
    write_whole(Path(out) / "links.html", show(job.told, "html").encode())
    return report


def _report(job: _Job, done: Report | None, *, as_json: bool, quiet: bool) -> None:
    """Say what was made and what was left out: of frames whole files, of calibration the steps."""
    from ...graphs.preprocess.links import report

    if as_json:
        masters = [
            {"name": s.name, "filter": s.filter, "object": s.object, "file": f"master_{s.name}.fits", "lights": s.count}
            for s in job.stacks.stacks
        ]
        run = {"written": done.written, "seconds": done.seconds, "passes": done.passes} if done else {}
        tell_json({**report(job.told), "masters": masters, **run})
        return
    if not quiet:
        for item in job.unaligned:
            note(f"left out: {item.path}: {item.why}")
        for link in job.told.broken:
            note(f"made without: {link.target.title}: {link.miss}")
    if done:
        tell("\n".join(done.written))
