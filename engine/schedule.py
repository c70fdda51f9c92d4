"""Handing bands of work to dask: threads, processes, or one after the other. The only door to dask's schedulers."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from .cluster import Cluster
from .errors import Cancelled, EngineError, GraphError
from .folders import scratch
from .memory import keep_freed_memory

Scheduler = Literal["threads", "processes", "sync", "cluster"]
Task = tuple[Any, ...]
_tickets = itertools.count()
_here: dict[str, Any] = {}


class Lane:
    """Runs task graphs on one kind of worker, for the length of a run.

    Parameters
    ----------
    scheduler
        ``threads`` (all in this process), ``processes`` (local worker processes), ``sync`` (for debugging) or
        ``cluster`` (the workers of a dask.distributed scheduler).
    workers
        How many; default: the processors this process may use.
    cluster
        Address of the scheduler; the lane is then of kind ``cluster``.
    """

    def __init__(
        self, scheduler: Scheduler = "threads", workers: int | None = None, cluster: str | None = None
    ) -> None:
        if (scheduler == "cluster") != (cluster is not None) and scheduler != "threads":
            raise GraphError(f"the address of a cluster goes with scheduler 'cluster', got {scheduler!r}, {cluster!r}")
        self.scheduler: Scheduler = scheduler if cluster is None else "cluster"
        self._cluster = None if cluster is None else Cluster(cluster)
        self.workers = workers or (self._cluster.workers if self._cluster else usable_processors())
        self._pool: ProcessPoolExecutor | None = None
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Lane:
        keep_freed_memory()
        return self

    @property
    def apart(self) -> bool:
        """Whether workers are other processes, so that pixels reach them through files only."""
        return self.scheduler in ("processes", "cluster")

    def __exit__(self, kind: Any, *_: Any) -> None:
        if self._cluster is not None:
            self._cluster.close()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._pool is not None:
            children = list((self._pool._processes or {}).values()) if kind is not None else []
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            for child in children:  # after Ctrl-C or a failure nobody waits for bands in flight
                child.terminate()

    @contextmanager
    def share(self, work: Any) -> Iterator[Any]:
        """Make *work* available to tasks as `shared(ticket)` while the block lasts.

        Worker processes read it once from a file instead of receiving it with every task; machines of a cluster
        are sent it once.
        """
        if self._cluster is not None:
            yield self._cluster.send(work)
            return
        ticket = f"{os.getpid()}-{next(_tickets)}"
        if self.scheduler == "processes":
            with tempfile.NamedTemporaryFile(dir=scratch(), suffix=".work", delete=False) as f:
                pickle.dump(work, f)
            ticket = f.name
        _here[ticket] = work
        try:
            yield ticket
        finally:
            del _here[ticket]
            if self.scheduler == "processes":
                Path(ticket).unlink(missing_ok=True)

    def get(
        self,
        tasks: dict[Any, Task],
        wanted: list[Any],
        done: Callable[[Any, Any], None],
        cancel: threading.Event,
    ) -> list[Any]:
        """Run *tasks* and return the results of *wanted*; *done(key, result)* is called as each ends.

        Raises
        ------
        Cancelled
            *cancel* was set.
        """
        if self._cluster is not None:
            return self._cluster.get(tasks, wanted, done, cancel)
        import dask
        import dask.multiprocessing
        import dask.threaded
        from dask.callbacks import Callback

        def after(key: Any, result: Any, _dsk: Any, _state: Any, _worker: Any) -> None:
            done(key, result)
            if cancel.is_set():
                raise Cancelled("the run was stopped")

        with Callback(posttask=after):
            if self.scheduler == "sync":
                found = dask.get(tasks, wanted)
            elif self.scheduler == "threads":
                found = self._in_threads(tasks, wanted, dask.threaded.get, cancel)
            else:
                found = self._in_processes(tasks, wanted, dask.multiprocessing.get)
        return list(found)

    def map(self, function: Callable[..., Any], *columns: list[Any]) -> list[Any]:
        """Return *function* of each row of *columns*; rows are worked on side by side where threads do the work."""
        if self.scheduler != "threads" or len(columns[0]) < 2:
            return [function(*row) for row in zip(*columns, strict=True)]
        with ThreadPoolExecutor(self.workers, thread_name_prefix="lerarlink") as pool:
            return list(pool.map(function, *columns))

    def _in_threads(
        self, tasks: dict[Any, Task], wanted: list[Any], get: Callable[..., Any], cancel: threading.Event
    ) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="lerarlink")
        try:
            return get(tasks, wanted, pool=self._threads)
        except BaseException:
            # Bands in flight must have ended before their outputs are removed.
            cancel.set()
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
            raise

    def _in_processes(self, tasks: dict[Any, Task], wanted: list[Any], get: Callable[..., Any]) -> Any:
        if self._pool is None:
            # Spawned, not forked: the parent has threads, and numba's and file handles must not be shared.
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=spawn, initializer=_begin_worker)
        try:
            return get(tasks, wanted, pool=self._pool, optimize_graph=False)
        except BrokenProcessPool as e:
            raise EngineError(
                "a worker process ended unexpectedly (killed, or out of memory); run again to go on"
            ) from e


def _begin_worker() -> None:
    keep_freed_memory()
    # Ctrl-C reaches all processes of a terminal; the parent ends the workers, which have nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def shared(ticket: Any) -> Any:
    """Return what `Lane.share` was given, inside a task; a cluster brings it in place of its ticket."""
    if not isinstance(ticket, str):
        return ticket
    return _here[ticket] if ticket in _here else _loaded(ticket)


@lru_cache(maxsize=2)
def _loaded(ticket: str) -> Any:
    with open(ticket, "rb") as f:
        return pickle.load(f)  # our own file of this run, made by `share`


def processor_seconds() -> float:
    """Return the processor time that this process and its ended children took so far."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def usable_processors() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
