"""Running: lazy until asked, in stages, the same bits whoever does the work, whole outputs or none."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Again, Box, Frame, Known, Port, Process, Tile, Writer, param
from lerarlink.engine.errors import Cancelled, GraphError, NodeFailed
from lerarlink.engine.graph import Graph
from lerarlink.engine.schedule import Lane
from lerarlink.engine.store import Store

READS: list[Box] = []


class Noise(Process, id="run.noise"):
    """A fixed pattern that looks random; counts how often it is read."""

    inputs = ()
    width: int = param(default=61, low=1, doc="columns")
    height: int = param(default=47, low=1, doc="rows")

    def frame(self, known: Known) -> Frame:
        return Frame(width=self.width, height=self.height)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        READS.append(known.box)
        y, x = np.mgrid[known.box.y0 : known.box.y1, known.box.x0 : known.box.x1]
        return np.sin(x * 12.9898 + y * 78.233)[None].astype(np.float32)


class Centre(Process, id="run.centre"):
    """Subtracts the mean, found in two passes."""

    outputs = (Port("image"), Port("measures", "measures"))

    def measure(self, known: Known, *tiles: Any) -> Any:
        pivot = 0.0 if known.state is None else known.state
        return [float((tiles[0].astype(np.float64) - pivot).sum()), tiles[0].size]

    def merge(self, a: Any, b: Any) -> Any:
        return [a[0] + b[0], a[1] + b[1]]

    def finish(self, partial: Any, known: Known) -> Any:
        mean = partial[0] / partial[1]
        return Again(mean) if known.state is None else known.state + mean

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return (tiles[0] - known.measured).astype(np.float32)


class Smooth(Process, id="run.smooth"):
    """Mean over a window of 2 r + 1 pixels."""

    radius: int = param(default=2, low=0, high=200, unit="px", doc="half width")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(self.radius)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        n = 2 * self.radius + 1
        view = np.lib.stride_tricks.sliding_window_view(tiles[0], (n, n), axis=(1, 2))
        return view.mean(axis=(3, 4), dtype=np.float64).astype(np.float32)


class Fails(Process, id="run.fails"):
    """Raises where row 30 comes by."""

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        if known.box.y0 <= 30 < known.box.y1:
            raise ZeroDivisionError("row 30 is cursed")
        return np.asarray(tiles[0] * np.float32(1))


class Scribbles(Process, id="run.scribbles"):
    """Changes its input."""

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        tiles[0][:] = 0
        return np.asarray(tiles[0])


class FileWriter:
    """Writes raw float32 beside the final name; may run out of space."""

    def __init__(self, path: str, frame: Frame, full_after: int) -> None:
        self.path, self.part, self.full_after = Path(path), Path(path + ".part"), full_after
        self.width = frame.width
        with self.part.open("wb") as f:
            f.truncate(4 * frame.width * frame.height)

    def write(self, box: Box, tile: Tile) -> None:
        if box.y1 > self.full_after:
            raise OSError(errno.ENOSPC, "No space left on device")
        with self.part.open("r+b") as f:
            f.seek(4 * self.width * box.y0)
            f.write(tile.tobytes())

    def finish(self) -> None:
        self.part.replace(self.path)

    def abandon(self) -> None:
        self.part.unlink(missing_ok=True)


class Save(Process, id="run.save"):
    """Writes a raw file."""

    outputs = ()
    path: str = param(file="output", doc="file")
    full_after: int = param(default=10**9, doc="rows that fit on the disk")

    def writer(self, known: Known) -> Writer:
        return FileWriter(self.path, known.of("image"), self.full_after)


class Develop(Process, id="run.develop"):
    """Stretches."""

    gives = "stretched"

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.asarray(tiles[0] * np.float32(2))


class Measured(Process, id="run.measured"):
    """Wants linear data."""

    requires = "linear"

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.asarray(tiles[0] * np.float32(1))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    READS.clear()
    yield


def chain(g: Graph, **smooth: Any) -> Any:
    return g.add(Smooth, image=g.add(Centre, image=g.add(Smooth, image=g.add(Noise), name="first")), **smooth)


def test_building_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = Lane.get

    def counted(self: Lane, *args: Any) -> Any:
        calls.append(1)
        return original(self, *args)

    monkeypatch.setattr(Lane, "get", counted)
    g = Graph()
    image = chain(g).image
    assert (image.frame.width, image.frame.height) == (61, 47)
    lazy = image.to_dask()
    assert lazy.shape == (1, 47, 61)
    assert not calls
    assert not READS
    image.compute()
    assert len(calls) == 3  # two passes of the measure, one for the pixels
    assert READS


@pytest.mark.parametrize("strip_samples", [1, 61 * 7, 10**9])
def test_results_do_not_see_strips(strip_samples: int) -> None:
    g = Graph()
    image = chain(g).image
    assert (image.compute(strip_samples=strip_samples) == image.compute()).all()


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_results_do_not_see_the_scheduler(scheduler: Any, tmp_path: Path) -> None:
    g = Graph()
    image = chain(g).image
    expected = image.compute(store=Store(tmp_path / "a"))
    got = image.compute(scheduler=scheduler, workers=3, store=Store(tmp_path / "b"))
    assert (got == expected).all()


def test_a_box_is_the_same_as_its_part_of_the_whole() -> None:
    g = Graph()
    image = chain(g).image
    assert (image.compute(Box(5, 40, 29, 61)) == image.compute()[:, 5:29, 40:61]).all()
    with pytest.raises(GraphError, match="lies outside the image of 61x47"):
        image.compute(Box(0, 0, 48, 61))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 2)])
@pytest.mark.parametrize("radius", [0, 1, 50])
def test_halos_larger_than_the_image_are_mirrored_as_often_as_it_takes(size: tuple[int, int], radius: int) -> None:
    g = Graph()
    noise = g.add(Noise, width=size[0], height=size[1])
    got = g.add(Smooth, image=noise, radius=radius).compute()[0]
    padded = np.pad(noise.compute()[0].astype(np.float64), radius, mode="reflect")
    view = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1,) * 2)
    np.testing.assert_allclose(got, view.mean(axis=(2, 3)), atol=1e-6)


def test_to_dask_gives_the_same_pixels() -> None:
    g = Graph()
    image = chain(g).image
    assert (image.to_dask().compute(scheduler="threads") == image.compute()).all()


def test_a_measure_is_taken_once_and_then_recalled() -> None:
    g = Graph()
    centre = g.add(Centre, image=g.add(Noise))
    first = g.run()
    assert (first.states["centre"], first.passes) == ("measured", 2)
    again = g.run()
    assert (again.states["centre"], again.passes) == ("recalled", 0)
    assert again.values == first.values
    expected = centre.output().graph["noise"].compute().astype(np.float64).mean()
    assert first.values["centre"] == pytest.approx(expected, abs=1e-9)


def test_a_diamond_is_pulled_once_a_strip() -> None:
    g = Graph()
    noise = g.add(Noise)
    g.add(Blend2, first=g.add(Develop, image=noise), second=g.add(Measured, image=noise)).compute(scheduler="sync")
    assert len(READS) == len(set(READS))


class Blend2(Process, id="run.blend2"):
    """Adds two."""

    inputs = (Port("first"), Port("second"))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.asarray(tiles[0] + tiles[1])


def test_a_failure_names_node_process_box_and_cause(tmp_path: Path) -> None:
    g = Graph()
    g.add(Save, image=g.add(Fails, image=g.add(Noise), name="oops"), path=str(tmp_path / "out"))
    with pytest.raises(NodeFailed, match=r"node 'oops' \(run.fails\), rows .*: ZeroDivisionError: row 30") as e:
        g.run(strip_samples=100)
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    g = Graph()
    noise = g.add(Noise)
    g.add(Save, image=noise, path=str(tmp_path / "fits"), name="fits")
    g.add(Save, image=noise, path=str(tmp_path / "full"), full_after=10, name="full")
    with pytest.raises(OSError, match="No space left on device") as e:
        g.run(strip_samples=200)
    assert e.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_two_outputs_into_one_file_are_refused(tmp_path: Path) -> None:
    g = Graph()
    noise = g.add(Noise)
    g.add(Save, image=noise, path=str(tmp_path / "x"), name="one")
    g.add(Save, image=noise, path=str(tmp_path / "x"), name="two")
    with pytest.raises(GraphError, match="is written by both 'one' and 'two'"):
        g.run()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_changes_its_input_is_found_out() -> None:
    g = Graph()
    with pytest.raises(NodeFailed, match="read-only"):
        g.add(Scribbles, image=g.add(Noise)).compute()


def test_linear_processes_refuse_stretched_data_and_name_both_nodes() -> None:
    g = Graph()
    stretched = g.add(Develop, image=g.add(Noise), name="stretch")
    g.add(Measured, image=g.add(Smooth, image=stretched), name="fit")
    expected = (
        r"node 'fit' \(run.measured\) wants linear data, but 'stretch' \(run.develop\) gives stretched data; "
        "put 'fit' before 'stretch'"
    )
    with pytest.raises(GraphError, match=expected):
        g["fit"].compute()
    assert not READS


def test_a_run_can_be_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    g = Graph()
    g.add(Save, image=g.add(Smooth, image=g.add(Noise, height=4000)), path=str(tmp_path / "out"))
    stop = threading.Event()
    told = []

    def watch(progress: Any) -> None:
        told.append(progress)
        stop.set()

    with pytest.raises(Cancelled):
        g.run(watch=watch, cancel=stop, strip_samples=61 * 20)
    assert told[0].done < told[0].total
    assert list(tmp_path.iterdir()) == []


def test_pinned_pixels_are_kept_and_used() -> None:
    g = Graph()
    image = g.add(Smooth, image=g.add(Noise), radius=3)
    expected = image.compute()
    g.run([], pin=["smooth"])
    READS.clear()
    assert (image.compute() == expected).all()
    assert not READS
    assert [e.kind for e in Store().entries() if e.kind == "pixels"] == ["pixels"]


def test_a_damaged_pinned_strip_is_made_again() -> None:
    g = Graph()
    image = g.add(Smooth, image=g.add(Noise), radius=3)
    expected = image.compute()
    g.run([], pin=["smooth"])
    (entry,) = [e for e in Store().entries() if e.kind == "pixels"]
    with entry.path.open("r+b") as f:
        f.seek(4096 + 1000)
        f.write(b"\xff\xff\xff\xff")
    assert (image.compute() == expected).all()
    assert READS
    assert [e.key for e in Store().verify()] == [entry.key]


def test_progress_is_told_stage_by_stage() -> None:
    g = Graph()
    chain(g)
    told: list[Any] = []
    g.run(watch=told.append)
    assert [(p.action, p.nodes, p.done, p.total) for p in told] == [("measure", ("centre",), 1, 1)] * 2
    assert told[-1].bytes > 0
