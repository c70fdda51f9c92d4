"""From documents of earlier versions of the format to today's, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..engine.errors import GraphError
from .fields import shown
from .schema import FORMAT, VERSION, Document

Migration = Callable[[Document], Document]
MIGRATIONS: dict[int, Migration] = {}
"""Pure functions by the version they start from; each returns the document in the next version.

A step has to look at the graphs saved in the document, too: see `everywhere`. A file that the last release with the
old version wrote goes into the tests, where it is opened for ever.
"""


def migrated(
    document: object, version: int = VERSION, migrations: Mapping[int, Migration] = MIGRATIONS
) -> Document:
    """Return *document* as it is written in *version*, step by step from the version it has.

    Raises
    ------
    GraphError
        It is no graph document, or one of a version that is not known.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        got = shown(document.get("format", "none")) if isinstance(document, dict) else shown(document)
        raise GraphError(f"this is no graph: wanted a document with format '{FORMAT}', got {got}")
    at = document.get("version")
    if not isinstance(at, int) or isinstance(at, bool) or at < 1:
        raise GraphError(f"version: wanted a whole number from 1, got {shown(at)}")
    if at > version:
        raise GraphError(f"written by a newer version (format {shown(at)}, this one reads up to {version})")
    while at < version:
        document = {**_stepped(migrations[at], document, at), "version": at + 1}
        at += 1
    return document


def _stepped(step: Migration, document: Document, version: int) -> Document:
    # A step may rely on what its version promises, but the file has not been checked against that version.
    try:
        return step(document)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as e:
        raise GraphError(f"the document breaks a rule of format {version}: {type(e).__name__}: {e}") from None


def everywhere(step: Migration) -> Migration:
    """Return *step*, a change of one graph, as a change of a document and of every graph saved in it."""

    def stepped(document: Document) -> Document:
        made = step(document)
        if "graphs" in made:
            made = {**made, "graphs": [stepped(g) for g in made["graphs"]]}
        return made

    return stepped
