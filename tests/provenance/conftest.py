"""Fixtures of provenance, replay and history: a small simulated sky, and the recipes' outputs on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lerarlink.graphs.document import Graph
from lerarlink.graphs.recipe import load_recipe
from lerarlink.tools.simulate import SkySettings, simulate

# Which frames of the simulated sky the inputs of each recipe are given.
INPUTS = {
    "calibrate": {"light": "R", "dark": "B"},
    "lrgb": {"red": "R", "green": "G", "blue": "B", "luminance": "L"},
    "osc": {"image": "G"},
    "sho": {"sii": "R", "ha": "G", "oiii": "B"},
    "stretch": {"image": "R"},
}


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with R.fits, G.fits, B.fits and L.fits, 96 x 64 pixels."""
    folder = tmp_path_factory.mktemp("sky")
    simulate(folder, SkySettings(width=96, height=64))
    return folder


@pytest.fixture
def recipe(sky: Path) -> Callable[..., Graph]:
    """Return a function that gives a recipe its inputs, and lets its outputs go to a folder, with an ending."""

    def make(name: str, out: Path, ending: str | None = None) -> Graph:
        graph = load_recipe(name)
        for key, letter in INPUTS[name].items():
            graph.bind(key, str(sky / f"{letter}.fits"))
        for node in graph:
            path = graph.spec(node).params.get("path", "")
            if graph.spec(node).process == "io.write_image":
                given = Path(path).with_suffix(ending) if ending and not path.endswith(".png") else Path(path)
                graph.set(node, "path", str(out / given))
        if name == "osc":  # the simulated frames are gray; three of them make the colour image it wants
            _in_colour(graph, sky)
        return graph

    return make


def _in_colour(graph: Graph, sky: Path) -> None:
    readers = {c: graph.add("ReadImage", name=c, path=str(sky / f"{c[0].upper()}.fits")) for c in ("red", "blue")}
    rgb = graph.add("ChannelCombination", name="rgb", green=graph["image"], **readers)
    graph.link(rgb.output().link, "crop-image", "image")
