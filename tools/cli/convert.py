"""`lerar convert`: an image in another format. The options are the parameters of ReadImage and WriteImage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rich_click as click

from ...nodes.io.read_image import ReadImage
from ...nodes.io.write_image import WriteImage
from ._graph_options import provenance_options
from ._group import common
from ._output import note, size
from ._progress import progress_option, watching
from ._values import typed

if TYPE_CHECKING:
    from ...engine.params import Spec
    from ...engine.process import Process

_LEFT_OUT = {"path", "optional"}


def _options(cls: type[Process]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds an option for each parameter of *cls*, spelled with dashes."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for spec in reversed(cls.params.values()):
            if spec.name not in _LEFT_OUT:
                function = _option(spec)(function)
        return function

    return add


def _option(spec: Spec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = f"--{spec.name.replace('_', '-')}"
    doc = spec.doc[:1].upper() + spec.doc[1:]
    if spec.type is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", spec.name, default=None, help=f"{doc}.")
    return click.option(flag, spec.name, metavar="VALUE", help=f"{doc} (default: {_default(spec)}).")


def _default(spec: Spec) -> str:
    return "none" if spec.default is None else str(spec.default)


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@_options(ReadImage)
@_options(WriteImage)
@provenance_options
@progress_option
@common
def command(
    source: str, target: str, progress: bool | None, provenance: bool, private: bool, **given: Any
) -> None:
    """Write image file IN as OUT, whose extension names the format: FITS, XISF, TIFF, PNG or JPEG.

    Pixels keep their meaning: nothing is stretched. To see a linear image, use `lerar preview`.
    """
    from ...graphs.document import Graph

    graph = Graph()
    read = graph.add("ReadImage", name="read", path=source, **_given(ReadImage, given))
    graph.add("WriteImage", name="write", image=read, path=target, **_given(WriteImage, given))
    with watching(progress) as watch:
        report = graph.run(watch=watch, provenance=provenance, private=private, noted="")
    for path in report.written:
        note(f"wrote {path} ({_file_size(path)}) in {report.seconds:.2f} s")


def _given(cls: type[Process], given: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for spec in cls.params.values():
        value = given.get(spec.name)
        if value is not None:
            found[spec.name] = value if isinstance(value, bool) else typed(spec, value, cls.__name__)
    return found


def _file_size(path: str) -> str:
    import os

    return size(os.path.getsize(path))
