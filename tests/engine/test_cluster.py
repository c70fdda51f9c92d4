"""Workers of a dask.distributed cluster give the same bits, and a run survives the death of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import EngineError
from lerarlink.engine.graph import Graph
from lerarlink.engine.store import Store

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "LERAR_CACHE_DIR": str(folder / "cache"),
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "60s",
    }
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", *arguments], env=environment, cwd=folder, stdout=log, stderr=log)


def worker(folder: Path) -> subprocess.Popen[bytes]:
    options = ("--scheduler-file", "s.json", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    return start(folder, "distributed.cli.dask_worker", *options)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("cluster")
    options = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", "s.json", "--no-dashboard")
    scheduler = start(folder, "distributed.cli.dask_scheduler", *options)
    workers = [worker(folder), worker(folder)]
    deadline = time.monotonic() + 60
    while not (folder / "s.json").exists():
        assert time.monotonic() < deadline, (folder / "log.txt").read_text()
        time.sleep(0.05)
    address = json.loads((folder / "s.json").read_text())["address"]
    from distributed import Client

    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield {"address": address, "folder": folder, "workers": workers}
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def graph(folder: Path, out: str) -> Graph:
    rng = np.random.default_rng(3)
    paths = [folder / f"{i}.fits" for i in range(7)]
    for path in paths:
        if not path.exists():
            fits.writeto(path, rng.normal(1000, 30, (1200, 900)).astype(np.float32))
    g = Graph()
    frames = g.add("ReadSeries", paths=tuple(map(str, paths)))
    stack = g.add("ImageIntegration", images=frames, rejection="sigma_clip")
    display = g.add("ScreenTransferFunction", image=stack)
    look = g.add("HistogramTransformation", image=stack, display=display)
    g.add("WriteImage", image=look, path=str(folder / out))
    return g


def test_a_cluster_gives_the_same_bytes_as_threads(cluster: dict[str, Any], tmp_path: Path) -> None:
    graph(tmp_path, "a.fits").run(store=Store(tmp_path / "s1"))
    report = graph(tmp_path, "b.fits").run(store=Store(tmp_path / "s2"), cluster=cluster["address"])
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits"), fits.getdata(tmp_path / "b.fits"))
    assert report.bytes_read > 0


def test_a_run_survives_the_death_of_a_worker(cluster: dict[str, Any], tmp_path: Path) -> None:
    graph(tmp_path, "a.fits").run(store=Store(tmp_path / "s1"))
    victim: subprocess.Popen[bytes] = cluster["workers"][-1]
    killed = threading.Event()

    def watch(progress: Any) -> None:
        if not killed.is_set():
            victim.send_signal(signal.SIGKILL)
            killed.set()

    graph(tmp_path, "b.fits").run(store=Store(tmp_path / "s2"), cluster=cluster["address"], watch=watch)
    assert killed.is_set()
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits"), fits.getdata(tmp_path / "b.fits"))


def test_a_cluster_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lerarlink.engine import cluster as module

    monkeypatch.setattr(module, "_TIMEOUT", 1)
    with pytest.raises(EngineError, match=r"no cluster at tcp://127.0.0.1:9"):
        graph(tmp_path, "a.fits").run(store=Store(tmp_path / "s"), cluster="tcp://127.0.0.1:9")
    assert not (tmp_path / "a.fits").exists()


def test_failures_on_a_worker_name_the_node(cluster: dict[str, Any], tmp_path: Path) -> None:
    g = graph(tmp_path, "a.fits")
    path = tmp_path / "3.fits"
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(EngineError, match=r"3\.fits"):
        g.run(store=Store(tmp_path / "s"), cluster=cluster["address"])
