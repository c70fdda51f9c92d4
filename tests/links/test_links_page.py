"""docs/links.md shows messages as they are really told; what is missing is named with what comes near it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import LinkError, UnresolvedLinkError
from lerarlink.engine.graph import Graph, Link
from lerarlink.engine.links.parameter import ParameterLink
from lerarlink.engine.links.taking import in_range, shaped
from lerarlink.engine.params import Spec
from lerarlink.engine.registry import find
from lerarlink.engine.run import resolved
from lerarlink.graphs.check import check

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "links.md").read_text("utf-8").split())


def graph(path: Path) -> Graph:
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(path / "sky.fits"))
    g.add("Statistics", name="stats", image=image)
    g.add("HistogramTransformation", name="shown", image=image)
    g.add("Statistics", name="after", image=g["shown"])
    g.add("Crop", name="edge", image=image)
    return g


SHOWN: dict[str, tuple[str, str]] = {
    "LNK-1": ("shadows", "stats.median +* 2"),
    "LNK-2": ("shadows", "stats.medain"),
    "LNK-3": ("left", "stats.median + image.width"),
    "LNK-4": ("shadows", "after.median"),
    "LNK-5": ("shadows", "stats.median - 1"),
    "LNK-6": ("left", "stats"),
    "LNK-8": ("shadows", "-" * 50 + "1"),
}


@pytest.mark.parametrize("code", SHOWN)
def test_the_page_shows_what_is_told(code: str, tmp_path: Path) -> None:
    fits.writeto(tmp_path / "sky.fits", np.full((8, 8), 0.125, np.float32))
    g = graph(tmp_path)
    param, expr = SHOWN[code]
    node = "edge" if param == "left" else "shown"
    g.parameter_links[node, param] = ParameterLink(expr=expr)
    with pytest.raises(LinkError) as found:
        resolved(g)
    assert found.value.code == code
    told = str(found.value).partition("; allowed are ")[0]
    assert told.removeprefix("Process Error: ") in PAGE


@pytest.mark.parametrize("values", [[math.nan] * 3, np.full(3, np.inf), (math.nan, 1.0), np.full((2, 2), np.nan)])
def test_lists_that_are_not_finite_are_refused_in_words(values: Any) -> None:
    for process, param in (("Crop", "box"), ("Statistics", "percentiles")):
        spec: Spec = find(process).params[param]
        try:
            assert in_range(spec, shaped(spec, values))
        except LinkError as e:
            assert e.code == "LNK-6"


CASES: dict[str, tuple[Callable[[Graph], Any], str]] = {
    "an input": (
        lambda g: g.unlink("edge", "image"),
        "node 'edge', input 'image' (wants image): nothing is linked; node 'image' offers image",
    ),
    "a node": (
        lambda g: g.link(Link("imagge", "image"), "edge", "image"),
        "node 'edge', input 'image': linked to 'imagge.image', but there is no node 'imagge'; near it: image",
    ),
    "a reference": (
        lambda g: g.parameter_links.update({("edge", "left"): ParameterLink(expr="stat.n")}),
        "node 'edge', parameter 'left' (wants int in px): LNK-2: there is no node 'stat'; near it: stats",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_checks_and_runs_tell_what_is_missing_alike(what: str, tmp_path: Path) -> None:
    g = graph(tmp_path)
    change, told = CASES[what]
    change(g)
    wanted = f"Process Error: Lerar Link unresolved: {told}"
    (problem,) = check(g)
    assert f"{problem.message}; {problem.cure}".startswith(wanted)
    if what != "an input":
        with pytest.raises(UnresolvedLinkError) as found:
            g.order()
        assert str(found.value).replace(" (wants int in px)", "").startswith(wanted.replace(" (wants int in px)", ""))


def test_candidates_are_named_once(tmp_path: Path) -> None:
    g = graph(tmp_path)
    g.follow("edge", "left", ParameterLink(expr="zzzz.n"))
    with pytest.raises(LinkError, match="there is no node 'zzzz'") as found:
        g.order()
    near = found.value.cure.removeprefix("near it: ").split(", ")
    assert len(near) == len(set(near))
