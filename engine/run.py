"""Running a graph until everything that was asked for is measured and written."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from threading import Event as CancelEvent
from typing import Any

from .errors import GraphError
from .identity import digest
from .kept import Pool as Pool
from .links.resolving import Resolved
from .memory import Memory
from .plan import Absent, Feed, Lowering, Plan
from .provenance import Sign
from .report import Progress as Progress
from .report import Report as Report
from .report import Watcher as Watcher
from .schedule import Lane, Scheduler
from .session import Session
from .store import Store
from .turns import turns
from .wiring import Link, Wiring


def run(
    graph: Wiring,
    targets: Iterable[str] | None = None,
    *,
    store: Store | None = None,
    scheduler: Scheduler = "threads",
    workers: int | None = None,
    watch: Watcher | None = None,
    cancel: CancelEvent | None = None,
    pin: Iterable[str] = (),
    strip_samples: int | None = None,
    memory: int | None = None,
    sign: Sign | None = None,
    cluster: str | None = None,
    pool: Pool | None = None,
) -> Report:
    """Run *graph*: measure what *targets* need and write the outputs of the sinks among them.

    Parameters
    ----------
    targets
        Node names; default: every node nothing follows.
    store
        Where Values and pinned pixels are kept; default: the user's store.
    scheduler, workers
        ``threads``, ``processes`` or ``sync``, and how many. The results are the same to the last bit.
    watch
        Called with a `Progress` as work goes on, from the thread that called `run`.
    cancel
        Set it from another thread to stop; raises Cancelled.
    pin
        Nodes whose pixels are kept in the store.
    strip_samples
        Samples of a strip; default: what fits the second-level cache of a core, or ``LERAR_STRIP_SAMPLES``. Results
        do not depend on it.
    memory
        Budget in bytes; default: a quarter of the machine's. Masters that are asked for in several passes are kept
        in it; what does not fit goes to the store.
    sign
        Says what each written file is to tell of its making; default: nothing.
    cluster
        Address of a dask.distributed scheduler (``tcp://host:port``) whose workers do the work; they must see the
        same files under the same names.
    pool
        Holds masters beyond this run, for others on the same frames.

    Raises
    ------
    GraphError, SourceError, NodeFailed, Cancelled, OSError
        Nothing half-written is left behind; Values measured before are kept in the store.
    """
    start = time.perf_counter()
    wanted = list(graph.ends() if targets is None else targets)
    pinned = list(pin)
    lowering = Lowering(graph, [*wanted, *pinned])
    plan = lowering.plan
    with Lane(scheduler, workers, cluster) as lane:
        budget = Memory.default(lane.workers) if memory is None else Memory(memory, lane.workers)
        session = Session(plan, lane, store or Store(), watch, cancel, budget, sign, pool)
        with contextlib.closing(session):
            session.follow(lowering)
            steps = [i for name in wanted for i in _steps_of(plan, name)]
            pins = [feed for name in pinned for feed in _image_feeds(plan, name)]
            session.aim([*steps, *(f.step for f in pins)])
            sinks = [i for name in wanted for i in plan.sinks.get(name, ())]
            session.take_stock()
            *before, last = turns(session.evaluation, steps)
            for turn in before:
                session.measure(turn)
                session.make([i for i in sinks if i in turn], [], strip_samples)
                session.reached(turn)
            session.measure([*last, *(f.step for f in pins)])
            session.make([i for i in sinks if i in last], pins, strip_samples)
    session.report.seconds = time.perf_counter() - start
    return session.report


def evaluate(graph: Wiring, link: Link, **options: Any) -> Any:
    """Return the Value behind an output port: one, or a tuple for a series."""
    lowering = Lowering(graph, [link.node])
    plan = lowering.plan
    with Lane(options.pop("scheduler", "threads"), options.pop("workers", None)) as lane:
        session = Session(plan, lane, options.pop("store", None) or Store(), options.pop("watch", None), None)
        with contextlib.closing(session):
            session.follow(lowering)
            feeds = plan.feeds_of(link)
            session.measure([f.step for f in feeds])
    values = tuple(session.evaluation.value(f) for f in feeds)
    lowered = plan.outputs[link.node][link.port]
    if isinstance(lowered, Absent):
        raise GraphError(f"{link} is absent: the optional source it comes from was not given")
    return values[0] if isinstance(lowered, Feed) else values


def resolved(graph: Wiring, targets: Iterable[str] | None = None, **options: Any) -> tuple[Resolved, ...]:
    """Return what the parameter links give that *targets* (default: every node) need, measuring what they read.

    Each tells the digest of the images that were measured for it. *options* are ``scheduler``, ``workers``, ``store``
    and ``watch``, as in `run`.
    """
    lowering = Lowering(graph, targets)
    with Lane(options.pop("scheduler", "threads"), options.pop("workers", None)) as lane:
        session = Session(lowering.plan, lane, options.pop("store", None) or Store(), options.pop("watch", None), None)
        with contextlib.closing(session):
            session.follow(lowering)
            return tuple(r._replace(source=_source(session, r.steps)) for r in session.report.links)


def _source(session: Session, steps: Iterable[int]) -> str:
    """Return the digest of the images that *steps* measured."""
    images = [f for i in steps for f in session.evaluation.image_feeds(i)]
    keys = list(dict.fromkeys(f"{session.evaluation.key(f.step, session.store.content)}.{f.port}" for f in images))
    return digest("measured", keys) if keys else ""


def _steps_of(plan: Plan, name: str) -> list[int]:
    if plan.sinks.get(name):
        return list(plan.sinks[name])
    return [f.step for lowered in plan.outputs[name].values() for f in _flat(lowered)]


def _image_feeds(plan: Plan, name: str) -> list[Feed]:
    return [
        f
        for lowered in plan.outputs[name].values()
        for f in _flat(lowered)
        if any(p.is_image and p.name == f.port for p in plan.steps[f.step].process.outputs)
    ]


def _flat(lowered: Any) -> tuple[Feed, ...]:
    if isinstance(lowered, Feed):
        return (lowered,)
    return lowered if isinstance(lowered, tuple) else ()
