"""The Lerar Link as a job, from frames to a report."""

from .frames import frame_files, raw_lights
from .run import LerarResult, run_lerar

__all__ = ["LerarResult", "frame_files", "raw_lights", "run_lerar"]
