"""A Lanczos-3 warp of an image in memory, turned by a few degrees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ....engine.api import Known, Port, Process
from ..data import samples, write_sky
from ..sources import Held, hold
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload, peer


def make(folder: Path, size: Settings) -> None:
    write_sky(folder / "image.fits", size["width"], size["height"], stream=0)


def matrix(size: Settings) -> Any:
    """Return the map from output to image: 3 degrees about the middle, and a shift."""
    c, s = math.cos(math.radians(3.0)), math.sin(math.radians(3.0))
    x, y = (size["width"] - 1) / 2, (size["height"] - 1) / 2
    return np.array([[c, -s, x - c * x + s * y + 3.3], [s, c, y - s * x - c * y - 2.7], [0.0, 0.0, 1.0]])


def _image(task: Task) -> Any:
    return np.array(samples(task.data / "image.fits", task.size["height"], task.size["width"]), np.float32)


class Turn(Process, id="bench.turn"):
    """Gives the transform of this bench."""

    inputs = (Port("image"),)
    outputs = (Port("transform", "transform", doc="3 degrees"),)

    def compute(self, known: Known) -> Any:
        frame = known.of("image")
        step = {"matrix": matrix({"width": frame.width, "height": frame.height})}
        # The noise of the data: what the clamp against dark rings leaves alone.
        return {"kind": "affine", "inverse": [step], "noise": 0.0015}


# -- entrants -----------------------------------------------------------------------------------------


def _ours(task: Task, clamping: str) -> None:
    from ....graphs.document import Graph

    image = _image(task)
    g = Graph()
    held = g.add(Held, held=hold("image", image[None]))
    node = g.add(
        "Warp", image=held, transform=g.add(Turn, image=held), reference=held, interpolation="lanczos3",
        clamping=clamping,
    )  # fmt: skip
    made = task.best("warp", lambda: node.compute(scheduler="sync")[0], image.size, task.size["_times"])
    _keep(task, made)


def ours(task: Task) -> None:
    _ours(task, "undershoot")


def unclamped(task: Task) -> None:
    _ours(task, "none")


def opencv(task: Task) -> None:
    cv2 = peer("cv2")
    cv2.setNumThreads(1)
    image, m = _image(task), matrix(task.size)[:2]
    height, width = image.shape
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    made = task.best("warp", lambda: cv2.warpAffine(image, m, (width, height), flags=flags), image.size)
    _keep(task, made)


def scipy_spline(task: Task) -> None:
    """Cubic splines: scipy has no Lanczos."""
    ndimage = peer("scipy.ndimage")
    image, m = _image(task), matrix(task.size)
    # scipy's axes run rows first.
    linear, offset = m[:2, :2][::-1, ::-1], m[:2, 2][::-1]
    rows = task.size["_slow_rows"]

    def turned() -> Any:
        shape = (rows, image.shape[1])
        return ndimage.affine_transform(image, linear, offset, shape, np.float32, order=3, mode="mirror")

    made = task.best("warp", turned, rows * image.shape[1], 1)
    _keep(task, made)


def plain_numpy(task: Task) -> None:
    """Weights at exact phases, all pixels at once: the truth of the comparison."""
    image, rows = _image(task), task.size["_slow_rows"]
    made = task.best("warp", lambda: exact(image, matrix(task.size), rows), rows * image.shape[1], 1)
    _keep(task, made)


def exact(image: Any, m: Any, rows: int) -> Any:
    """Return the first rows of the warped image; NaN where the window leaves the image."""
    v, u = np.mgrid[0:rows, 0 : image.shape[1]].astype(np.float64)
    x, y = (m[i, 0] * u + m[i, 1] * v + m[i, 2] for i in (0, 1))
    fx, fy = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (fx >= 2) & (fy >= 2) & (fx < image.shape[1] - 3) & (fy < image.shape[0] - 3)
    wx, wy = _weights(x - fx), _weights(y - fy)
    total = np.zeros(x.shape)
    for a in range(6):
        row = np.zeros(x.shape)
        for b in range(6):
            places = np.clip(fy + a - 2, 0, image.shape[0] - 1), np.clip(fx + b - 2, 0, image.shape[1] - 1)
            row += wx[b] * image[places]
        total += wy[a] * row
    return np.where(inside, total, np.nan).astype(np.float32)


def _weights(phase: Any) -> Any:
    """Lanczos-3 at six samples, normalised (Duchon 1979)."""
    d = [phase - k for k in range(-2, 4)]
    w = np.stack([np.sinc(t) * np.sinc(t / 3) for t in d])
    return w / w.sum(axis=0)


def _keep(task: Task, made: Any) -> None:
    np.save(task.out / "part.npy", made[: task.size["_slow_rows"]][:64])


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    """Unclamped, lerarlink must be as exact as its table (1/8192 px); other kernels come near on the smooth sky."""
    truth = np.load(found["numpy"][1] / "part.npy")
    wrong = {}
    for name, (_, out) in found.items():
        off = np.abs(np.load(out / "part.npy") - truth)
        off = off[np.isfinite(off)]
        most = float(off.max()) if name == f"{OURS}, not clamped" else float(np.median(off))
        wrong[name] = f"{most:.2g} from numpy" if not off.size or most > 5e-4 else ""
    return wrong


def figures(results: Any) -> list[Figure]:
    def rate(name: str) -> float | None:
        found: float | None = results.rate(name, "warp")
        return found / 1e6 if found else None

    return [
        Figure("clamped", rate(OURS), "Mpx/s a core", 30.0, least=True),
        Figure("not clamped", rate(f"{OURS}, not clamped"), "Mpx/s a core"),
        Figure("OpenCV, Lanczos-4", rate("OpenCV"), "Mpx/s a core"),
    ]


WORKLOAD = Workload(
    name="warp",
    title="Lanczos-3 warp",
    about=(
        "An image in memory turned by 3 degrees, one thread. lerarlink interpolates at exact places (1/8192 pixel) and "
        "holds dark rings down; OpenCV's Lanczos-4 rounds places to 1/32 pixel; scipy's spline has order 3. Rates are "
        "output pixels in a CPU second, whatever the engine does around the kernel included."
    ),
    sizes={
        "small": {"width": 160, "height": 96, "_slow_rows": 96, "_times": 1},
        "full": {"width": 4096, "height": 3072, "_slow_rows": 256, "_times": 3},
    },
    make=make,
    shares="warp",
    entrants=(
        Entrant(OURS, ours),
        Entrant(f"{OURS}, not clamped", unclamped),
        Entrant("OpenCV", opencv, "cv2"),
        Entrant("scipy", scipy_spline, "scipy.ndimage"),
        Entrant("numpy", plain_numpy),
    ),
    agree=agree,
    figures=figures,
    by_section=True,
)
