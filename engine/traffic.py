"""How many bytes of source files a pull reads: a file's size, by the part of its image that was asked for."""

from __future__ import annotations

import os

from .evaluation import Evaluation
from .plan import Feed
from .region import Box


class Traffic:
    """Knows the bytes of a pixel in each source of a plan, files that were asked about once remembered."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self._known: dict[int, float] = {}

    def bytes(self, step: int, box: Box) -> float:
        """Return what reading *box* of the image source *step* costs; 0 where it comes from no file."""
        found = self._known.get(step)
        if found is None:
            found = self._known[step] = self._bytes_a_pixel(step)
        return found * box.height * box.width

    def _bytes_a_pixel(self, index: int) -> float:
        process = self.evaluation.plan.steps[index].process
        paths = [getattr(process, s.name) for s in process.params.values() if s.file == "input"]
        files = [p for given in paths if given for p in ((given,) if isinstance(given, str) else given)]
        image = next((p.name for p in process.outputs if p.is_image), None)
        if not files or image is None:
            return 0.0
        frame = self.evaluation.frame(Feed(index, image))
        return process.share() * sum(map(os.path.getsize, files)) / (frame.height * frame.width)
