"""The reference is handed on as it is: the first image, or that with the highest median."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Frame, Known, Process, Tile, param
from lerarlink.engine.errors import EngineError, GraphError
from lerarlink.engine.graph import Graph


class Hills(Process, id="reference.hills"):
    """Noise about a level, the same for the same seed; seed -1 is missing everywhere."""

    inputs = ()
    level: float = param(default=0.0, doc="the level")
    seed: int = param(default=0, doc="of the noise")
    width: int = param(default=40, doc="columns")

    def frame(self, known: Known) -> Frame:
        return Frame(width=self.width, height=33, channels=2, unit=f"u{self.seed}")

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        rng = np.random.default_rng(abs(self.seed))
        whole = rng.normal(self.level, 0.3, (2, 33, self.width)).astype(np.float32)
        whole[1] *= 7  # the second channel has no say
        if self.seed < 0:
            whole[:] = np.nan
        return whole[:, known.box.y0 : known.box.y1, known.box.x0 : known.box.x1].copy()


@pytest.fixture(autouse=True)
def many_small_measuring_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in tiles of some 7 rows, so that a small image is merged from many."""
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_TILE_SAMPLES", 600)
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_BLOCK_SAMPLES", 1800)


def chosen(*levels: dict[str, Any], choose: str = "brightest") -> tuple[np.ndarray, Any, list[np.ndarray]]:
    g = Graph()
    images = [g.add(Hills, **words) for words in levels]
    node = g.add("ReferenceImage", images=images, choose=choose)
    got = node.compute()
    assert np.array_equal(got, node.compute(strip_samples=80), equal_nan=True)
    return got, node.value("measures"), [i.compute() for i in images]


def test_the_highest_median_of_the_first_channel_wins_whole() -> None:
    got, told, images = chosen({"level": 0.1, "seed": 1}, {"level": 0.4, "seed": 2}, {"level": 0.3, "seed": 3})
    assert told["index"] == 1
    assert (got == images[1]).all()
    np.testing.assert_allclose(told["medians"], [np.median(i[0].astype(float)) for i in images], rtol=1e-12)


def test_of_equal_medians_the_first_wins() -> None:
    same = {"level": 0.2, "seed": 4}
    got, told, images = chosen({"level": 0.1, "seed": 9}, same, same)
    assert told["medians"][1] == told["medians"][2]
    assert told["index"] == 1
    assert (got == images[1]).all()


def test_images_must_have_one_size_and_some_samples() -> None:
    with pytest.raises(GraphError, match="image 1 is 41x33, image 0 is 40x33"):
        chosen({"level": 0.1}, {"width": 41})
    with pytest.raises(EngineError, match="image 1 has no sample that is not missing"):
        chosen({"level": 0.1}, {"seed": -1})


def test_the_first_is_taken_without_measuring_anything() -> None:
    got, told, images = chosen({"level": 0.1, "seed": 1}, {"level": 0.4, "seed": 2}, choose="first")
    assert told == {"index": 0, "medians": []}
    assert (got == images[0]).all()
    with pytest.raises(GraphError, match="image 1 is 41x33, image 0 is 40x33"):
        chosen({"level": 0.1}, {"width": 41}, choose="first")
