"""Strips put together from blocks of columns hold the same bits, wherever the cuts lie."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import lerarlink.engine.making as making
from lerarlink import Graph
from lerarlink.engine.api import Box, Known, Port, Process, Tile, param
from lerarlink.engine.errors import Cancelled
from lerarlink.engine.evaluation import Evaluation
from lerarlink.engine.graph import Node
from lerarlink.engine.plan import Feed, lower
from lerarlink.engine.pull import Puller
from lerarlink.engine.store import Store
from lerarlink.engine.thickness import Cut

HEIGHT, WIDTH = 150, 200


class Turned(Process, id="blocks.turned"):
    """A rotation about the centre that is known beforehand."""

    inputs = ()
    outputs = (Port("transform", "transform"),)

    angle: float = param(default=0.0, unit="deg", doc="by how much")

    def compute(self, known: Known) -> dict[str, Any]:
        c, s = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        x, y = WIDTH / 2, HEIGHT / 2
        matrix = np.array([[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y], [0.0, 0.0, 1.0]])
        return {"kind": "affine", "inverse": [{"matrix": matrix}], "noise": 3.0}


class Counted(Process, id="blocks.counted"):
    """Notes the boxes it makes."""

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        COUNTED.append(known.box)
        return np.asarray(tiles[0] + np.float32(1))


COUNTED: list[Box] = []


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    COUNTED.clear()
    yield


@pytest.fixture
def frames(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(5)
    paths = []
    for i in range(4):
        sky = rng.normal(100 + i, 3, (HEIGHT, WIDTH)).astype(np.float32)
        sky[40 + i, 50:60] = np.nan
        sky[rng.integers(0, HEIGHT, 30), rng.integers(0, WIDTH, 30)] = 900
        paths.append(str(tmp_path / f"{i}.fits"))
        fits.PrimaryHDU(sky).writeto(paths[-1])
    return paths


def stack(frames: list[str], g: Graph) -> Node:
    """Add the integration of *frames*, each turned by some more, with all that is measured for it."""
    read = [g.add("ReadImage", path=p) for p in frames]
    turned = [
        g.add("Warp", image=f, transform=g.add(Turned, angle=45.0 + 0.3 * i).output(), reference=read[0])
        for i, f in enumerate(read)
    ]
    return g.add("ImageIntegration", name="stack", images=turned, rejection="sigma_clip")


def forced(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(making, "best_cut", lambda evaluation, feeds, box, rows, kept, most: Cut(2 * rows, columns))


@pytest.mark.parametrize(("columns", "scheduler"), [(64, "threads"), (37, "sync"), (1000, "threads")])
def test_a_stack_of_turned_frames_is_the_same_to_the_last_bit(
    columns: int, scheduler: Any, frames: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for name, width in (("strips", 0), ("blocks", columns)):
        forced(monkeypatch, width)
        g = Graph()
        node = stack(frames, g)
        for port in ("image", "rejection_low", "rejection_high", "weight"):
            path = str(tmp_path / f"{name}-{port}.fits")
            g.add("WriteImage", name=port, image=node.output(port), path=path)
        report = g.run(scheduler=scheduler, store=Store(tmp_path / name), strip_samples=7 * WIDTH)
        pixels = [fits.getdata(tmp_path / f"{name}-{p}.fits").tobytes() for p in ("image", "rejection_low", "weight")]
        made.append((pixels, {k: repr(v) for k, v in report.values.items()}))
    assert made[0] == made[1]


def test_every_pixel_of_every_output_is_made_once(
    frames: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced(monkeypatch, 48)
    g = Graph()
    common = g.add(Counted, image=g.add("ReadImage", path=frames[0]))
    for n, midtones in enumerate((0.2, 0.4)):
        changed = g.add("HistogramTransformation", image=common, midtones=midtones)
        g.add("WriteImage", name=f"out{n}", image=changed, path=str(tmp_path / f"out{n}.fits"))
    g.run(store=Store(tmp_path / "store"))
    covered = np.zeros((HEIGHT, WIDTH), int)
    for box in COUNTED:
        assert box.width <= 48
        covered[box.y0 : box.y1, box.x0 : box.x1] += 1
    assert (covered == 1).all()


def puller(frames: list[str]) -> tuple[Puller, Feed]:
    g = Graph()
    node = g.add(Counted, image=g.add("ReadImage", path=frames[0]))
    plan = lower(node.output().graph, [node.name])
    return Puller(Evaluation(plan)), plan.feeds_of(node.output().link)[0]


def test_boxes_are_cut_out_of_what_was_put_together(frames: list[str]) -> None:
    blocks, feed = puller(frames)
    parts = [Box(10, 0, 60, WIDTH), Box(80, 20, 90, 150)]
    blocks.prefetch({feed: parts}, 33, lambda: None)
    made = len(COUNTED)
    assert made == -(-WIDTH // 33) + -(-130 // 33)
    plain, same = puller(frames)
    for box in (*parts, Box(11, 3, 20, 170), Box(85, 30, 90, 31)):
        assert blocks.pull(feed, box).tobytes() == plain.pull(same, box).tobytes()
        assert not blocks.pull(feed, box).flags.writeable
    assert len(COUNTED) == made + 4


def test_a_run_can_be_stopped_between_two_blocks(frames: list[str]) -> None:
    stop = threading.Event()

    def go_on() -> None:
        if stop.is_set():
            raise Cancelled("the run was stopped")
        if COUNTED:
            stop.set()

    blocks, feed = puller(frames)
    with pytest.raises(Cancelled):
        blocks.prefetch({feed: [Box(0, 0, HEIGHT, WIDTH)]}, 20, go_on)
    assert len(COUNTED) == 2
