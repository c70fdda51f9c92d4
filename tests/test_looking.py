"""Looking at an image from Python: previews are upright, stretched for the eye, and leave the pixels alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Node


@pytest.fixture
def sky(tmp_path: Path) -> Node:
    """A bottom-up file: dark sky, its first stored rows bright."""
    rng = np.random.default_rng(0)
    data = rng.normal(1000, 20, (120, 200)).astype(np.float32)
    data[:20] = 30000
    fits.writeto(tmp_path / "sky.fits", data)
    return Graph().add("ReadImage", path=str(tmp_path / "sky.fits"))


def test_previews_are_upright_and_of_the_size_asked_for(sky: Node) -> None:
    picture = np.asarray(sky.preview(size=50))
    assert picture.shape == (30, 50)
    assert picture[-4:].mean() > 200 > picture[:10].mean()


def test_an_automatic_stretch_lifts_the_sky_and_none_leaves_it_dark(sky: Node) -> None:
    assert np.median(np.asarray(sky.preview())) == pytest.approx(64, abs=6)  # target background 0.25
    assert np.median(np.asarray(sky.preview(stf="none"))) == pytest.approx(1000 / 65535 * 255, abs=1)


def test_a_region_is_cut_in_storage_coordinates(sky: Node) -> None:
    assert np.asarray(sky.preview(stf="none", region=(0, 0, 20, 40))).min() > 100
    with pytest.raises(GraphError):
        sky.preview(region=(0, 0, 500, 40))


def test_a_notebook_shows_a_picture_and_the_facts(sky: Node) -> None:
    html = sky._repr_html_()
    assert html.startswith('<figure><img src="data:image/png;base64,')
    assert "200 &times; 120 &times; 1 &middot; linear" in html


def test_looking_changes_no_graph(sky: Node) -> None:
    before = list(sky.output().graph)
    sky.preview()
    assert list(sky.output().graph) == before
