"""Scripts of Siril that do what the night does."""

from __future__ import annotations

import re
from pathlib import Path

from ..workload import Task

_HEAD = ["requires 1.3.4", "setcpu 2"]


def linked(task: Task, kinds: dict[str, str], folder: Path) -> None:
    """Give Siril folders of links to the frames it is to take: kind -> pattern of files."""
    for kind, pattern in kinds.items():
        place = folder / kind
        place.mkdir(parents=True, exist_ok=True)
        for path in sorted((task.data / "frames").glob(pattern)):
            (place / path.name).symlink_to(path)


def stacked(filter: str) -> list[str]:
    """Return the lines that make ``result_<filter>`` of the frames of one filter, in Siril's working folder."""
    return [
        f"cd flats_{filter}", f"convert flat_{filter} -out=../process", "cd ../process",
        f"calibrate flat_{filter} -dark=df_stacked",
        f"stack pp_flat_{filter} rej 3 3 -norm=mul -out=flat_{filter}_stacked",
        f"cd ../lights_{filter}", f"convert light_{filter} -out=../process", "cd ../process",
        f"calibrate light_{filter} -dark=dark_stacked -flat=flat_{filter}_stacked -cc=dark",
        f"register pp_light_{filter}",
        f"stack r_pp_light_{filter} rej 3 3 -norm=addscale -out=../masters/result_{filter}",
        "cd ..",
    ]  # fmt: skip


def masters() -> list[str]:
    """Return the lines that make the masters all filters share."""
    return [
        "cd darkflats", "convert df -out=../process", "cd ../process", "stack df rej 3 3 -nonorm -out=df_stacked",
        "cd ../darks", "convert dark -out=../process", "cd ../process",
        "stack dark rej 3 3 -nonorm -out=dark_stacked", "cd ..",
    ]  # fmt: skip


def one_filter(task: Task, filter: str, folder: Path) -> str:
    """Calibrate, register and integrate one filter; return what Siril said."""
    return night(task, (filter,), folder, [])


def night(task: Task, filters: tuple[str, ...], folder: Path, after: list[str]) -> str:
    """Make a master of each filter, then do what the lines *after* say; return what Siril said."""
    kinds = {"darkflats": "darkflat/*.fits", "darks": "dark/dark_-10C_*.fits"}
    for f in filters:
        kinds |= {f"flats_{f}": f"flat/{f}/*.fits", f"lights_{f}": f"light/{f}/*.fits"}
    linked(task, kinds, folder)
    (folder / "process").mkdir(exist_ok=True)
    (folder / "masters").mkdir(exist_ok=True)
    lines = [*_HEAD, *masters(), *(line for f in filters for line in stacked(f)), *after, "close"]
    script = folder / "run.ssf"
    script.write_text("\n".join(lines) + "\n", "utf-8")
    return task.command("run", [*task.siril, "-d", str(folder), "-s", str(script)])


def version(told: str) -> str:
    """Return the version in what Siril said."""
    found = re.search(r"siril (\d+\.\d+\.\d+\S*)", told)
    return found[1] if found else ""
