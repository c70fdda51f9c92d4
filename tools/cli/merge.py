"""`lerar merge`: two changed versions of a graph brought together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._errors import DIFFERENT
from ._group import common
from ._images import GRAPHS
from ._output import note, tell, tell_json, write_whole

if TYPE_CHECKING:
    from ...graphs.schema import Document
    from ._sides import Subject


@click.command("merge")
@click.argument("base", metavar="BASE")
@click.argument("ours", metavar="OURS")
@click.argument("theirs", metavar="THEIRS")
@click.option("-o", "--output", metavar="FILE", help="Write the merged graph here instead of to stdout (as YAML).")
@click.option(
    "--prefer", type=click.Choice(["ours", "theirs"]), help="Whose word counts where both changed one parameter."
)
@click.option("--json", "as_json", is_flag=True, help="Print the conflicts as JSON.")
@common
def command(base: str, ours: str, theirs: str, output: str | None, prefer: Any, as_json: bool) -> int:
    """Bring together what OURS and THEIRS changed since BASE. All three are graph files or images that carry one.

    Where both changed the same parameter, link or name in different ways, each conflict is named, nothing is written
    and the exit code is 5. As a merge driver of git: lerar merge %O %A %B -o %A
    """
    from dataclasses import asdict

    from ...graphs import format as file_format
    from ...graphs.merge import merge
    from ._sides import sniffed, subject

    a, b, c = (_whole(subject(name)) for name in (base, ours, theirs))
    made = merge(a, b, c, prefer=prefer or "")
    if as_json:
        tell_json({"merged": made.document is not None, "conflicts": [asdict(c) for c in made.conflicts]})
    else:
        for conflict in made.conflicts:
            note(f"conflict: {conflict.text}")
    if made.document is None:
        return DIFFERENT
    if output is not None:
        path = Path(output)
        spelling = (sniffed(path) if path.exists() else None) or sniffed(Path(ours)) or "yaml"
        if path.suffix.lower() in GRAPHS:
            file_format.write(path, made.document)
        else:
            write_whole(path, file_format.encode(made.document, spelling))
    elif not as_json:
        tell(file_format.encode(made.document, "yaml").decode())
    return 0


def _whole(of: Subject) -> Document:
    of.needed()  # tells of an image that carries no graph
    assert of.whole is not None
    return of.whole
