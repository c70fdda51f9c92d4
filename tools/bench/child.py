"""One entrant's work in a process of its own: `python -m lerarlink.tools.bench.child JOB.json`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from .workload import Task
from .workloads import workload


def work(job: dict[str, Any]) -> Task:
    """Let an entrant do its work in this process; return what it tells."""
    chosen = workload(job["workload"])
    entrant = next(e for e in chosen.entrants if e.name == job["entrant"])
    task = Task(Path(job["data"]), Path(job["out"]), chosen.sizes[job["size"]], Path(job["store"]), tuple(job["siril"]))
    task.out.mkdir(parents=True, exist_ok=True)
    entrant.work(task)
    return task


def main(path: str) -> None:
    """Do the job that a file tells, and write beside it what came of it."""
    job = json.loads(Path(path).read_text("utf-8"))
    os.environ["LERAR_CACHE_DIR"] = job["store"]
    task = work(job)
    told = {"sections": [s._asdict() for s in task.sections], "facts": task.facts}
    Path(path).with_suffix(".result").write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
