"""`lerar import`: graphs made of what other programs save."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ...engine.errors import GraphError, SourceError
from ._group import common
from ._output import note, table, tell, tell_json

if TYPE_CHECKING:
    from ...graphs.document import Graph
    from ...graphs.importing.outcome import Imported, Place

_KINDS = {"unmapped": "not mapped", "differs": "differs", "idle": "nothing to do"}


@click.group("import")
@common
def command() -> None:
    """Make a graph of a Siril script or of PixInsight's process icons, and list what did not come over."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of both imports."""
    options = (
        click.option("-o", "--output", metavar="FILE", help="The graph: .lerar, .yaml or .json; default: only tell."),
        click.option("--force", is_flag=True, help="Replace a file that is there."),
        click.option(
            "--skip-unmapped", "skip", is_flag=True,
            help="Leave out what has no counterpart; default: a placeholder stands there, and the graph does not run.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the list as JSON."),
        common,
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@command.command("ssf")
@click.argument("file", metavar="FILE")
@click.option("--folder", metavar="DIR", help="Give the inputs what the script would find in this folder.")
@_options
def ssf(file: str, folder: str | None, output: str | None, force: bool, skip: bool, as_json: bool) -> None:
    """Make a graph of a Siril script; its folders become named inputs.

    lerar import ssf Mono_Preprocessing.ssf --folder ~/m31 -o m31.lerar
    """
    from ...graphs.importing.ssf import import_ssf
    from ...graphs.importing.ssf_words import MAX_CHARACTERS

    data = _read(file, 4 * MAX_CHARACTERS)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise GraphError(f"{file}: this is no script: not UTF-8 at byte {e.start}") from None
    found = _named(file, lambda: import_ssf(text, skip=skip))
    if folder is not None:
        fill(found, folder)
    _give(found, output, force, as_json)


@command.command("xpsm")
@click.argument("file", metavar="FILE")
@click.option("--icon", "icons", multiple=True, metavar="NAME", help="Only this icon; repeatable, in this order.")
@click.option("--chain", is_flag=True, help="Put the icons one after the other onto one image.")
@_options
def xpsm(
    file: str, icons: tuple[str, ...], chain: bool, output: str | None, force: bool, skip: bool, as_json: bool
) -> None:
    """Make a graph of PixInsight's process icons; images they name become named inputs.

    lerar import xpsm RGB-Workflow.xpsm --icon SHO -o sho.yaml
    """
    from ...graphs.importing.xpsm import import_xpsm
    from ...graphs.importing.xpsm_reading import MAX_BYTES

    data = _read(file, MAX_BYTES)
    _give(_named(file, lambda: import_xpsm(data, icons=icons, chain=chain, skip=skip)), output, force, as_json)


def _read(file: str, most: int) -> bytes:
    try:
        with open(file, "rb") as f:
            data = f.read(most + 1)
    except OSError as e:
        raise SourceError(f"{file}: cannot be opened: {e.strerror or e}") from e
    if len(data) > most:
        raise GraphError(f"{file}: at most {most:,} bytes are read, this file has more")
    return data


def _named(file: str, make: Callable[[], Imported]) -> Imported:
    try:
        return make()
    except GraphError as e:
        raise GraphError(f"{file}: {e}") from None


def _give(found: Imported, output: str | None, force: bool, as_json: bool) -> None:
    """Write the graph and print the list."""
    if output is not None:
        if Path(output).exists() and not force:
            raise click.UsageError(f"{output} exists; --force replaces it")
        if not Path(output).absolute().parent.is_dir():
            raise SourceError(f"{output}: there is no folder {Path(output).absolute().parent}")
        found.graph.save(output)
        note(f"wrote {output}: {len(found.graph)} nodes")
    counts = ", ".join(f"{len(found.of(kind))} {word}" for kind, word in _KINDS.items())  # type: ignore[arg-type]
    if as_json:
        tell_json(_document(found, output))
        return
    if found.notes:
        tell(table(("", "where", "what", "why"), [(_KINDS[n.kind], n.where, n.what, n.why) for n in found.notes]))
    note(f"{counts}; inputs: {', '.join(found.graph.inputs) or 'none'}")


def _document(found: Imported, output: str | None) -> dict[str, Any]:
    return {
        "graph": output,
        "nodes": len(found.graph),
        "inputs": {name: _file(found.graph, name) for name in found.graph.inputs},
        "notes": [{"kind": n.kind, "where": n.where, "what": n.what, "why": n.why} for n in found.notes],
    }


def _file(graph: Graph, name: str) -> Any:
    item = graph.inputs[name]
    return graph.spec(item.node).params.get(item.param)


def fill(found: Imported, folder: str) -> None:
    """Give the inputs of a graph the files that the original would find, were it started in *folder*.

    Raises
    ------
    SourceError
        A folder or a file is not there.
    """
    if not os.path.isdir(folder):
        raise SourceError(f"{folder}: there is no such folder")
    for name, place in found.places.items():
        found.graph.bind(name, _files(folder, place, name))


def _files(folder: str, place: Place, name: str) -> str | list[str]:
    from ..folders import image_files, is_image

    path = os.path.join(folder, place.path)
    if place.whole:
        return image_files(path)
    if place.number:
        images = image_files(path)
        if place.number > len(images):
            raise SourceError(f"input '{name}' is image {place.number} of {path}, which has {len(images)}")
        return images[place.number - 1]
    here, stem = os.path.split(path)
    names = sorted(os.listdir(here)) if os.path.isdir(here) else []
    fitting = [n for n in names if os.path.splitext(n)[0] == stem and is_image(n)]
    if not fitting:
        raise SourceError(f"input '{name}': there is no image {path}")
    return os.path.join(here, fitting[0])
