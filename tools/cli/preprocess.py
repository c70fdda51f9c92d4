"""`lerar preprocess`: from folders of raw frames to a graph, and to aligned masters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ...engine.errors import MissingSourceError, SourceError
from . import _errors
from ._graph_options import memory_option, provenance_options
from ._group import common
from ._output import note, tell, tell_json
from ._progress import progress_option, watching
from .links import matched_folders, matching_options

if TYPE_CHECKING:
    from ...engine.run import Report
    from ...graphs.document import Graph
    from ...graphs.preprocess.options import Options
    from ...graphs.preprocess.stacks import Stacks
    from ..preprocess import Session


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
    "--approval", default="", metavar="FORMULA",
    help="Leave out lights for which it is false, such as 'FWHMSigma < 2 && Eccentricity < 0.7'.",
)
@click.option(
    "--weights", type=click.Choice(["noise", "psf", "psf_snr", "exposure", "keyword", "formula", "none"]),
    help="What a light counts by: its noise (default), the signal of its stars, that against noise, its exposure, "
    "a header word, a formula, or all alike.",
)
@click.option("--weighting", default="", metavar="FORMULA", help="The formula of --weights formula.")
@click.option("--weight-keyword", default="", metavar="WORD", help="The header word of --weights keyword.")
@click.option(
    "--normalization", type=click.Choice(["auto", "global", "local"]), default="auto", show_default=True,
    help="How levels of lights are made alike; local: place by place, which takes changing gradients.",
)
@click.option(
    "--keep", multiple=True, callback=_words, metavar="WORD", help="Also write frames: calibrated, registered."
)
@click.option(
    "--combine", type=click.Choice(["none", "auto", "lrgb", "rgb", "osc", "sho"]), default="none", show_default=True,
    help="Make a picture of the masters; auto: all that there are masters for.",
)
@click.option(
    "--pictures", multiple=True, callback=_words, metavar="WORD", default=("linear", "stretched", "picture"),
    show_default="all", help="Which files of a combination to write: linear, stretched (FITS), picture (PNG).",
)
@click.option("--previews", is_flag=True, help="Also write each master as a picture; the report has small ones.")
@click.option("--no-measures", is_flag=True, help="Do not measure each light, nor count what is rejected of it.")
@click.option("--workers", type=click.IntRange(min=1), help="How many (default: the processors this process may use).")
@provenance_options
@memory_option
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
    memory: int | None,
    provenance: bool,
    private: bool,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    **made: Any,
) -> None:
    """Match raw frames with their calibration frames, and make a graph of it all: one master for each filter.

    Headers are read first, names of files and folders where headers are silent. Shows what is linked to what; a link
    that is missing ends it with exit code 3, unless --allow-broken. With --run the masters are written, and a report
    of the session beside them (report.html, .json and .csv); nothing else is. Frames that are of no use, and lights
    that cannot be registered, are left out and told.

    lerar preprocess NIGHT --run --out masters
    """
    from ...engine.run import Pool
    from ...graphs.preprocess.links import show
    from ..preprocess import Session

    options = _options(made)
    session = Session.of(
        matched_folders(folders, matched, split_by=split_by, skip=[out]), options, allow_broken=allow_broken
    )
    if not (quiet or as_json):
        (note if run else tell)(show(session.job.told) + _masters(session.job.stacks))
    if session.job.told.broken and not allow_broken:
        raise _errors.Several([MissingSourceError(str(link)) for link in session.job.told.broken])
    if not session.job.stacks.stacks:
        raise SourceError(f"{', '.join(folders)}: no lights were found")
    if run:
        with watching(False if quiet else progress) as watch, Pool() as pool:
            how = {
                "workers": workers, "memory": memory, "watch": watch, "provenance": provenance, "private": private,
                "pool": pool, "noted": "",
            }  # fmt: skip
            done = _made(session, output, out, quiet, how)
    else:
        _save(session.job.graph(), output, quiet)
        done = None
    _report(session, done, as_json=as_json, quiet=quiet)


def _options(made: dict[str, Any]) -> Options:
    from ...graphs.preprocess.options import Options

    # A formula or a word says by itself what it is for.
    implied = "formula" if made["weighting"] else "keyword" if made["weight_keyword"] else "noise"
    return Options(
        register=not made["no_registration"],
        cosmetic=not made["no_cosmetic"],
        measures=not made["no_measures"],
        weights=made["weights"] or implied,
        **{
            name: made[name]
            for name in (
                "rejection", "debayer", "approval", "weighting", "weight_keyword", "normalization", "keep", "combine",
                "pictures", "previews",
            )
        },
    )  # fmt: skip


def _masters(stacks: Stacks) -> str:
    return "".join(f"master_{s.name}.fits of {s.count} light{'s' if s.count > 1 else ''}\n" for s in stacks.stacks)


def _save(graph: Graph, output: str | None, quiet: bool) -> None:
    if output is not None:
        graph.save(output)
        if not quiet:
            note(f"wrote {output}: {len(graph)} nodes")


def _made(session: Session, output: str | None, out: str, quiet: bool, how: dict[str, Any]) -> Report:
    """Leave out what is of no use, make the rest, and write the report beside it."""
    from ...engine.store import Store
    from ...graphs.history import note_run
    from ..preprocess import UnresolvedLinks
    from ..report_session import write_session_report
    from ._graphs import redirect, refuse_problems
    from .run import remember

    session.job.graph()  # what cannot be combined is told before anything is measured
    try:
        session.look(**how)
    except UnresolvedLinks as e:
        raise _errors.Several([MissingSourceError(line) for line in e.links]) from e
    graph = session.job.graph()
    _save(graph, output, quiet)
    refuse_problems(graph)
    redirect(graph, out)
    Path(out).mkdir(parents=True, exist_ok=True)
    report = session.make(graph, **how)
    if output is not None:
        remember(graph, output, report)
    else:
        name = f"preprocess {os.path.realpath(out)}"
        note_run(Store(), graph, name, seconds=report.seconds, written=report.written)
    objects = ", ".join(o for o in session.job.stacks.objects if o) or "lights"
    write_session_report(session, Path(out), f"Preprocessing of {objects}")
    return report


def _report(session: Session, done: Report | None, *, as_json: bool, quiet: bool) -> None:
    """Say what was made and what was left out: of frames whole files, of calibration the steps."""
    from ..report_session import told

    if as_json:
        tell_json(told(session))
        return
    if not quiet:
        for item in session.job.left_out:
            note(f"left out: {item.path}: {item.why}")
        for link in session.job.told.broken:
            note(f"made without: {link.target.title}: {link.miss}")
    if done:
        tell("\n".join(done.written))
