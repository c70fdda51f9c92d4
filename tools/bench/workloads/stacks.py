"""Stacks of 16 and 32 frames in memory: median, sigma clipping, winsorised sigma clipping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..sources import Held, hold
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload, peer

COUNTS = (16, 32)
_LOW, _HIGH = 4.0, 3.0
KERNEL = f"{OURS}, kernel"
_OURS: dict[str, dict[str, Any]] = {
    "median": {"combination": "median", "rejection": "no_rejection"},
    "sigma": {"rejection": "sigma_clip", "sigma_low": _LOW, "sigma_high": _HIGH},
    "winsorized": {"rejection": "winsorized_sigma_clip", "sigma_low": _LOW, "sigma_high": _HIGH},
}
_APART = {"median": 0.0, "sigma": 0.02, "winsorized": 0.1}
"""The share of pixels that may differ."""
_WANTED = {"median": (100.0, 30.0), "sigma": (25.0, 10.0), "winsorized": (4.0, 2.5)}


def make(folder: Path, size: Settings) -> None:
    rng = np.random.default_rng(3)
    shape = max(COUNTS), size["height"], size["width"]
    frames = np.float32(0.1) + np.float32(0.01) * rng.standard_normal(shape, dtype=np.float32)
    hit = rng.random(shape, dtype=np.float32) < 0.004
    frames[hit] += np.float32(0.3)
    np.save(folder / "frames.npy", np.clip(frames, 1e-4, 1).astype(np.float32))


def _each(task: Task, methods: tuple[str, ...], work: Callable[[str, Any], Callable[[], Any]], rows: int = 0) -> None:
    """Time *work(method, frames)* for all methods and counts; *rows* of the frames at most, for the slow ones."""
    for count in COUNTS:
        frames = np.load(task.data / "frames.npy")[:count]
        frames = np.ascontiguousarray(frames[:, : rows or None])
        for method in methods:
            name = f"{method} {count}"
            made = task.best(name, work(method, frames), frames[0].size, task.size["_times"])
            np.save(task.out / f"{name}.npy", np.asarray(made)[:32, :64])


# -- entrants -----------------------------------------------------------------------------------------


def ours(task: Task) -> None:
    """ImageIntegration on frames in memory, one thread, whatever the engine does around the kernel included."""
    from ....graphs.document import Graph

    def work(method: str, frames: Any) -> Callable[[], Any]:
        g = Graph()
        images = [g.add(Held, name=f"frame-{i}", held=hold(f"frame-{i}", f[None])) for i, f in enumerate(frames)]
        made = g.add(
            "ImageIntegration", images=images, normalization="no_normalization", weight_mode="dont_care",
            rejection_normalization="no_rejection_normalization", range_clip_low=False, **_OURS[method],
        )  # fmt: skip
        return lambda: made.compute(scheduler="sync")[0]

    _each(task, tuple(_OURS), work)


def kernel(task: Task) -> None:
    """The arithmetic of ImageIntegration alone: from frames in memory to the image, its rejection maps and weight."""
    from ....nodes.integration import _loading as loading
    from ....nodes.integration import _rejection as reject
    from ....nodes.integration import _stack as stack
    from ....nodes.integration._straight import networks

    def work(method: str, frames: Any) -> Callable[[], Any]:
        n, pixels = len(frames), frames[0].size
        addresses = np.array([frame.ctypes.data for frame in frames], np.uint64)
        table = np.zeros((n, loading.COLUMNS))
        table[:, [loading.REJECT_GAIN, loading.GAIN, loading.WEIGHT, loading.RAW_GAIN]] = 1.0
        table[:, loading.RANGE_LOW], table[:, loading.RANGE_HIGH] = -np.inf, np.inf
        how = int(method == "median")
        which = {"median": reject.NONE, "sigma": reject.SIGMA, "winsorized": reject.WINSORIZED}[method]
        numbers = np.array([_LOW, _HIGH, 5.0, 1.0, 1.0, 0.0, 0.0])
        out = np.empty((4, pixels), np.float32)
        empty = np.zeros((0, pixels), np.uint8)

        def made() -> Any:
            stack.integrate(
                addresses, addresses, addresses, table, empty, how, which, reject.FEWEST[which], numbers,
                np.array([True, True]), False, n, np.zeros((1, 1)), *networks(n), out, empty,
            )  # fmt: skip
            return out[0].reshape(frames[0].shape)

        return made

    _each(task, tuple(_OURS), work)


def plain_numpy(task: Task) -> None:
    def work(method: str, frames: Any) -> Callable[[], Any]:
        if method == "median":
            return lambda: np.median(frames, axis=0)
        return lambda: clipped(frames, winsorize=method == "winsorized")

    _each(task, tuple(_OURS), work, task.size["_slow_rows"])


def bottleneck(task: Task) -> None:
    bn = peer("bottleneck")
    _each(task, ("median",), lambda method, frames: lambda: bn.median(frames, axis=0), task.size["_slow_rows"])


def astropy_clip(task: Task) -> None:
    stats = peer("astropy.stats")

    def work(method: str, frames: Any) -> Callable[[], Any]:
        clip = stats.SigmaClip(sigma_lower=_LOW, sigma_upper=_HIGH, maxiters=None, cenfunc="median")
        return lambda: np.nanmean(clip(frames, axis=0, masked=False), axis=0)

    _each(task, ("sigma",), work, task.size["_slow_rows"])


def ccdproc_combine(task: Task) -> None:
    ccdproc, nddata = peer("ccdproc"), peer("astropy.nddata")

    def work(method: str, frames: Any) -> Callable[[], Any]:
        images = [nddata.CCDData(f, unit="adu") for f in frames]

        def combined() -> Any:
            combiner = ccdproc.Combiner(images, dtype=np.float32)
            if method == "median":
                return combiner.median_combine().data
            combiner.sigma_clipping(_LOW, _HIGH, func=np.ma.median, dev_func=np.ma.std)
            return combiner.average_combine().data

        return combined

    _each(task, ("median", "sigma"), work, task.size["_slow_rows"])


# -- the truth ----------------------------------------------------------------------------------------


def clipped(frames: Any, winsorize: bool) -> Any:
    """Return the mean of what sigma clipping leaves of each stack, all stacks at once.

    Clipping about the median, until nothing more is rejected; the deviation is the standard deviation, or that of
    the winsorised stack times 1.134 (PixInsight's documentation of ImageIntegration).
    """
    x = np.sort(frames.astype(np.float64), axis=0)
    live = np.ones(x.shape, bool)
    changed = np.ones(x.shape[1:], bool)
    while changed.any():
        held = np.where(live, x, np.nan)[:, changed]
        middle = np.nanmedian(held, axis=0)
        sigma = _winsorized(held) if winsorize else _deviation(held)
        out = (held < middle - _LOW * sigma) | (held > middle + _HIGH * sigma)
        out &= (np.isfinite(held).sum(axis=0) >= 3) & (sigma > 0)
        kept = live[:, changed]
        kept &= ~out
        live[:, changed] = kept
        changed[changed] = out.any(axis=0)
    return (np.where(live, x, 0).sum(axis=0) / live.sum(axis=0)).astype(np.float32)


def _deviation(x: Any) -> Any:
    """The standard deviation about the mean."""
    return np.nanstd(x, axis=0, ddof=1)


def _winsorized(x: Any) -> Any:
    """The standard deviation of each stack with its tails drawn in, until it changes no more."""
    x = x.copy()
    middle, sigma = np.nanmedian(x, axis=0), _deviation(x)
    x = np.where(np.abs(x - middle) > 5.0 * sigma, np.where(np.isnan(x), x, middle), x)
    live = np.ones(sigma.shape, bool)
    while live.any():
        m, s = np.nanmedian(x[:, live], axis=0), sigma[live]
        drawn = np.clip(x[:, live], m - 1.5 * s, m + 1.5 * s)
        x[:, live] = drawn
        new = 1.134 * _deviation(drawn)
        sigma[live] = new
        live[live] = np.abs(s - new) > 0.0005 * s
    return sigma


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    """Compare with numpy: medians to the rounding, clipped means in 98 of 100 pixels.

    astropy and ccdproc divide by n where others divide by n - 1, and winsorised deviations begin with different
    estimates, so a few stacks lose one sample more or less there.
    """
    truth = found["numpy"][1]
    wrong: dict[str, str] = {}
    for name, (_, out) in found.items():
        for path in sorted(out.glob("*.npy")):
            share = float((np.abs(np.load(path) - np.load(truth / path.name)) > 2e-7).mean())
            if share > _APART[path.name.partition(" ")[0]]:
                wrong[name] = f"{path.stem}: {100 * share:.1f} % of the pixels differ"
    return wrong


def figures(results: Any) -> list[Figure]:
    return [
        Figure(f"{method} of {count} frames", rate / 1e6 if rate else None, "Mpx/s a core", wanted, least=True)
        for method, goals in _WANTED.items()
        for count, wanted in zip(COUNTS, goals, strict=True)
        for rate in [results.rate(KERNEL, f"{method} {count}")]
    ]


WORKLOAD = Workload(
    name="stacks",
    title="Stack kernels",
    about=(
        "Frames in memory, one thread. The median of each stack; the mean of what clipping at -4 and +3 sigma about "
        "the median leaves, until nothing more is rejected; the same with a winsorised deviation. lerarlink makes "
        "rejection maps and weights beside the image, by its kernel alone and through its engine, which plans and "
        "cuts strips. Slow peers do fewer rows; rates are output pixels in a CPU second."
    ),
    sizes={
        "small": {"width": 64, "height": 48, "_slow_rows": 48, "_times": 1},
        "full": {"width": 2048, "height": 1024, "_slow_rows": 64, "_times": 3},
    },
    make=make,
    shares="stacks",
    entrants=(
        Entrant(KERNEL, kernel),
        Entrant(OURS, ours),
        Entrant("numpy", plain_numpy),
        Entrant("bottleneck", bottleneck, "bottleneck"),
        Entrant("astropy", astropy_clip, "astropy.stats"),
        Entrant("ccdproc", ccdproc_combine, "ccdproc"),
    ),
    agree=agree,
    figures=figures,
    by_section=True,
)
