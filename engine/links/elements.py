"""Which frame of a series is which: the names of the files that frames come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..steps import Plan


class Elements:
    """Names of the frames behind the steps of one plan; remembers them, so that a long chain is walked once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._known: dict[int, str] = {}

    def name(self, step: int) -> str:
        """Return what the frame is called that a step is about: ``a.fits``, or ``cube.fits[3]``, without folders.

        It is followed from step to step by the first image that comes in. Empty where that leads to no file, or to a
        step that makes one image of several.
        """
        path, at = [], step
        while at not in self._known and (before := self._before(at)) is not None:
            path.append(at)
            at = before
        found = self._known.get(at)
        if found is None:
            found = self._own(at)
        self._known.update(dict.fromkeys([*path, at], found))
        return found

    def _before(self, step: int) -> int | None:
        """Return the step that gives what a step is about; None where it begins there."""
        from ..steps import Feed

        one = self.plan.steps[step]
        linked = [(p.is_image, one.inputs[p.name]) for p in one.process.inputs if p.name in one.inputs]
        images = [feed for is_image, feed in linked if is_image]
        if not images and self._own(step):
            return None
        first = next(iter(images or [feed for _, feed in linked]), None)
        return first.step if isinstance(first, Feed) else None

    def _own(self, step: int) -> str:
        """Return what the parameters of a step say: its files, and which frame of them."""
        process = self.plan.steps[step].process
        files, numbers = [], ""
        for spec in process.params.values():
            value = getattr(process, spec.name)
            if spec.file == "input" and value:
                files += [Path(p).name for p in ((value,) if isinstance(value, str) else value)]
            elif spec.type is int and spec.identity:
                numbers += f"[{value}]"
        return f"{', '.join(files)}{numbers}" if files else ""
