"""Chains of arithmetic on single samples: the same bits as tile after tile, in one loop or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import lerarlink as ll
from lerarlink.engine import chains
from lerarlink.engine.evaluation import Evaluation
from lerarlink.engine.fuse import run_links, run_pixel
from lerarlink.engine.graph import Graph
from lerarlink.engine.params import param
from lerarlink.engine.plan import Feed, lower
from lerarlink.engine.process import Known, Process, Tile
from lerarlink.nodes.color.channel_combination import ChannelCombination
from lerarlink.nodes.math.clip import Clip
from lerarlink.nodes.math.invert import Invert
from lerarlink.nodes.stretch.histogram_transformation import HistogramTransformation

rng = np.random.default_rng(4)


class Doubled(Process, id="test.doubled"):
    """Twice each sample."""

    factor: float = param(default=2.0, doc="what to multiply by")

    @staticmethod
    def pixel(x: float, factor: float) -> float:
        return x * factor

    def arguments(self, known: Known, channel: int) -> tuple[float, ...]:
        return (self.factor,)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for color in "RGB":
        data = rng.normal(0.3, 0.2, (40, 30)).astype(np.float32)
        data[3, 4] = np.nan
        fits.writeto(tmp_path / f"{color}.fits", data)
    return {color: str(tmp_path / f"{color}.fits") for color in "RGB"}


def stretched(g: Any, files: dict[str, str]) -> Any:
    red, green, blue = (g.add("ReadImage", path=files[c], bounds=(0.0, 1.0)) for c in "RGB")
    fitted = g.add("LinearFit", image=green, reference=red)
    rgb = g.add("ChannelCombination", red=red, green=fitted, blue=g.add("Invert", image=blue))
    return g.add("HistogramTransformation", image=rgb, shadows=0.1, midtones=0.2)


def pixels_tile_after_tile(monkeypatch: pytest.MonkeyPatch, image: Any) -> Tile:
    def plain(self: Process, known: Known, *tiles: Tile) -> Tile:
        return run_pixel(self, known, tiles[0])

    with monkeypatch.context() as m:
        m.setattr(Process, "pixels", plain)
        m.setattr("lerarlink.engine.pull.chains_of", lambda *_: None)
        return np.asarray(image.compute())


@pytest.mark.parametrize("least", [0, 1 << 40])
def test_a_chain_gives_the_bits_of_tiles_in_one_loop_or_several(
    files: dict[str, str], least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = stretched(ll.Graph(), files)
    expected = pixels_tile_after_tile(monkeypatch, image)
    monkeypatch.setattr(chains, "FUSED_PIXELS", least)
    assert image.compute().tobytes() == expected.tobytes()


def test_a_chain_goes_through_combined_channels_to_the_files(files: dict[str, str]) -> None:
    g = Graph()
    red, green, blue = (g.add("ReadImage", path=files[c], bounds=(0.0, 1.0)) for c in "RGB")
    rgb = g.add("ChannelCombination", red=red, green=g.add("Invert", image=green), blue=blue)
    last = g.add("HistogramTransformation", image=rgb, midtones=0.2)
    plan = lower(g, [last.name])
    evaluation = Evaluation(plan)
    feed = plan.outputs[last.name]["image"]
    assert isinstance(feed, Feed)
    found = chains.chains_of(evaluation, feed, lambda _: False)
    assert found is not None
    kinds = [[cls for cls, _ in c.links] for c in found]
    assert kinds == [[HistogramTransformation], [Invert, HistogramTransformation], [HistogramTransformation]]
    assert [plan.steps[c.base.step].process.params["path"].name for c in found] == ["path"] * 3
    at_hand = {f for c in found for f in c.through if isinstance(plan.steps[f.step].process, ChannelCombination)}
    stopped = chains.chains_of(evaluation, feed, at_hand.__contains__)
    assert stopped is not None
    assert [(c.base, c.channel) for c in stopped] == [(next(iter(at_hand)), c) for c in range(3)]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_links_run_in_order_each_rounded_to_float32(count: int, fused: bool) -> None:
    links = [(Doubled, (1.1,)), (Clip, (0.2, 0.9)), (Doubled, (0.3,))][:count]
    source = rng.random((7, 11), dtype=np.float32)
    kept, out = source.copy(), np.empty_like(source)
    run_links(links, source, out, fused)
    expected = source
    for cls, arguments in links:
        pixel: Any = cls.pixel
        expected = np.array([pixel(float(v), *arguments) for v in expected.ravel()], np.float32).reshape(7, 11)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(source, kept)
