"""What is known of a plan so far: frames from headers, Values from measures, keys from contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import EngineError, GraphError, NodeFailed, ParameterError, SourceError
from .frame import Frame
from .grids import between
from .identity import EPOCH, digest
from .links.resolving import Resolved
from .process import Known
from .region import Box
from .steps import Feed, Plan, Step

_NOWHERE = Box(0, 0, 0, 0)


class Evaluation:
    """Answers about the steps of one plan; grows as stages are measured. Plain data: it travels to workers."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.measured: dict[int, Any] = {}
        self.keys: dict[int, str] = {}
        self.links: tuple[Resolved, ...] = ()
        """What parameter links gave on the way to the plan."""
        self._frames: dict[Feed, Frame] = {}
        self._knowns: dict[Feed, Known] = {}
        # What sources say of themselves, no other step's Value changes; a series has hundreds of them.
        self._source_frames: dict[Feed, Frame] = {}
        self._never_measured: set[int] = set()
        self._told: dict[int, set[Feed]] = {}
        """For which outputs of a step frames or what it may rely on were told and kept."""
        self._takers: list[list[int]] = []
        """The steps that take something of each step."""

    def copy(self) -> Evaluation:
        """Return an evaluation of the same plan that knows the same and learns apart."""
        made = Evaluation(self.plan)
        made.measured, made.keys, made.links = dict(self.measured), dict(self.keys), self.links
        made._frames, made._knowns = dict(self._frames), dict(self._knowns)
        made._source_frames, made._never_measured = dict(self._source_frames), set(self._never_measured)
        made._told = {step: set(feeds) for step, feeds in self._told.items()}
        return made

    def knows_more_than(self, other: Evaluation) -> bool:
        """Return whether anything was found out here that *other*, of the same plan, does not know."""
        return (
            len(self.measured) > len(other.measured)
            or len(self.keys) > len(other.keys)
            or len(self._frames) + len(self._source_frames) > len(other._frames) + len(other._source_frames)
            or len(self._knowns) > len(other._knowns)
        )

    # -- Values -----------------------------------------------------------------------------------

    def learn(self, step: int, measured: Any) -> None:
        """Take note of what a step's `finish` or `compute` returned; frames may follow from it."""
        self.measured[step] = measured
        for port in self.plan.steps[step].process.outputs:
            self._source_frames.pop(Feed(step, port.name), None)
        self._forget(step)

    def _forget(self, step: int) -> None:
        """Forget what was told of a step and of all that is made of it.

        Where nothing was told of a step, nothing was told of what is made of it: frames are found sources first.
        """
        for i in range(len(self._takers), len(self.plan.steps)):  # plans grow at their end
            self._takers.append([])
            for taken in {feed.step for feed in self.plan.steps[i].feeds()}:
                self._takers[taken].append(i)
        todo, seen = [step], {step}
        while todo:
            i = todo.pop()
            told = self._told.pop(i, ())
            for feed in told:
                self._frames.pop(feed, None)
                self._knowns.pop(feed, None)
            if told or i == step:
                todo += [taker for taker in self._takers[i] if taker not in seen]
                seen.update(self._takers[i])

    def supposing(self, values: dict[int, Any]) -> Evaluation:
        """Return a copy that takes *values* of steps for measured."""
        other = self.copy()
        for step, value in values.items():
            other.learn(step, value)
        return other

    def value(self, feed: Feed) -> Any:
        return self.plan.steps[feed.step].process.value(feed.port, self.measured.get(feed.step))

    # -- Frames -----------------------------------------------------------------------------------

    def frame(self, feed: Feed) -> Frame:
        """Return the frame of an image output; errors name the node."""
        found = self._frames.get(feed) or self._source_frames.get(feed)
        if found is None:
            step = self.plan.steps[feed.step]
            process = step.process
            try:
                found = process.frame(self._known(step, feed, None))
            except NodeFailed:
                raise
            except ParameterError as e:
                raise GraphError(f"node '{step.label}' ({process.id}): {e}") from e
            except SourceError as e:
                raise SourceError(f"node '{step.label}': {e}") from e
            except Exception as e:
                raise NodeFailed(step.label, process.id, "its frame", f"{type(e).__name__}: {e}") from e
            if process.gives and found.state != process.gives:
                found = found.with_(state=process.gives)
            if step.inputs:
                self._frames[feed] = found
                self._told.setdefault(feed.step, set()).add(feed)
            else:
                self._source_frames[feed] = found
        return found

    def known(self, index: int, port: str = "image", box: Box = _NOWHERE, state: Any = None) -> Known:
        """Return what step *index* may rely on for its output *port*."""
        feed = Feed(index, port)
        found = self._knowns.get(feed)
        if found is None:
            step = self.plan.steps[index]
            image = next((p for p in step.process.outputs if p.is_image and p.name == port), None)
            frame = self.frame(feed) if image else None
            found = self._knowns[feed] = self._known(step, feed, frame)
            self._told.setdefault(index, set()).add(feed)
        if box is _NOWHERE and state is None:
            return found
        return Known(
            frames=found.frames, values=found.values, measured=found.measured, frame=found.frame, port=port,
            box=box, state=state, index=found.index, maps=found.maps,
        )  # fmt: skip

    def _known(self, step: Step, feed: Feed, frame: Frame | None) -> Known:
        frames: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for port in step.process.inputs:
            linked = step.inputs.get(port.name)
            if linked is None:
                continue
            ask: Callable[[Feed], Any] = self.frame if port.is_image else self.value
            found = ask(linked) if isinstance(linked, Feed) else tuple(ask(f) for f in linked)
            (frames if port.is_image else values)[port.name] = found
        measured = self.measured.get(feed.step)
        extra: dict[str, Any] = {} if frame is None else {"frame": frame}
        if step.process.relates:
            single = {port: f for port, f in step.inputs.items() if isinstance(f, Feed)}
            pairs = [(a, b) for a, b in step.process.relates if a in single and b in single]
            extra["maps"] = {(a, b): between(self, single[a], single[b]) for a, b in pairs}
        return Known(
            frames=frames, values=values, measured=measured, port=feed.port, index=step.frame, **extra,
        )  # fmt: skip

    def grid(self, index: int) -> Frame:
        """Return the frame on whose grid step *index* is measured: its first image input, or itself."""
        step = self.plan.steps[index]
        for port in step.process.inputs:
            linked = step.inputs.get(port.name)
            if port.is_image and linked is not None:
                return self.frame(linked if isinstance(linked, Feed) else linked[0])
        return self.frame(Feed(index, next(p.name for p in step.process.outputs if p.is_image)))

    # -- Keys -------------------------------------------------------------------------------------

    def key(self, index: int, content: Callable[[Path], str]) -> str:
        """Return the key of a step; *content* gives the digest of a source file.

        Raises
        ------
        SourceError
            A source file cannot be read.
        """
        if index not in self.keys:
            # Sources first, without recursion: a plan may be ten thousand steps deep.
            for i in self._without_key(index):
                self.keys[i] = self._key(self.plan.steps[i], content)
        return self.keys[index]

    def _without_key(self, index: int) -> list[int]:
        """Return the steps whose keys must be found for that of step *index*, sources first."""
        seen, todo = {index}, [index]
        while todo:
            for feed in self.plan.steps[todo.pop()].feeds():
                if feed.step not in seen and feed.step not in self.keys:
                    seen.add(feed.step)
                    todo.append(feed.step)
        return sorted(seen)  # steps are appended sources first

    def _key(self, step: Step, content: Callable[[Path], str]) -> str:
        process = step.process
        params = {s.name: getattr(process, s.name) for s in process.params.values() if s.identity}
        sources = {}
        for spec in process.params.values():
            given = getattr(process, spec.name)
            if spec.file == "input" and given:
                paths = (given,) if isinstance(given, str) else given
                try:
                    sources[spec.name] = [content(Path(p)) for p in paths]
                except SourceError as e:
                    raise SourceError(f"node '{step.label}': {e}") from e
        inputs = {
            port: self._input_key(f) if isinstance(f, Feed) else [self._input_key(one) for one in f]
            for port, f in step.inputs.items()
        }
        try:
            return digest("process", EPOCH, process.id, process.version, params, sources, inputs)
        except (TypeError, ValueError) as e:
            raise GraphError(f"node '{step.label}': {e}") from e

    def _input_key(self, feed: Feed) -> list[str]:
        return [self.keys[feed.step], feed.port]

    # -- Order ------------------------------------------------------------------------------------

    def upstream(self, targets: list[int]) -> list[int]:
        """Return *targets* and all steps they depend on, sources first."""
        seen = set(targets)
        todo = list(targets)
        while todo:
            for feed in self.plan.steps[todo.pop()].feeds():
                if feed.step not in seen:
                    seen.add(feed.step)
                    todo.append(feed.step)
        return sorted(seen)  # steps are appended sources first

    def pending(
        self,
        targets: list[int],
        recall: Callable[[int], bool],
        compute: Callable[[list[int]], None] | None = None,
    ) -> tuple[list[int], set[int]]:
        """Return the steps to be measured next and all steps that wait for them.

        *recall* tries to learn a step's Value from the store and says whether it did. Steps that need Values
        only are computed on the way: by *compute*, which learns those that wait for nothing, or one by one.
        """
        order = self.upstream(targets)
        while True:
            ready: list[int] = []
            computable: list[int] = []
            blocked: set[int] = set()
            for i in order:
                if any(f.step in blocked for f in self.plan.steps[i].feeds()):
                    blocked.add(i)
                elif i in self.measured:
                    continue
                elif self.needs_measure(i):
                    if not recall(i):
                        ready.append(i)
                        blocked.add(i)
                elif self.plan.steps[i].process.answers("compute") and not (compute and recall(i)):
                    if compute is None:
                        self.learn(i, self.computed(i))
                    else:
                        computable.append(i)
                        blocked.add(i)
            if not computable or compute is None:
                return ready, blocked
            compute(computable)

    def needs_measure(self, index: int) -> bool:
        step = self.plan.steps[index]
        if index in self._never_measured or not step.process.answers("measure"):
            return False
        wanted = step.process.measures(self._measure_known(index))
        if not wanted and not step.inputs:
            self._never_measured.add(index)
        return wanted

    def waits(self, index: int) -> bool:
        """Return whether a step is still to be measured; yes where that cannot be told yet."""
        if index in self.measured:
            return False
        try:
            return self.needs_measure(index)
        except Exception:  # what it asks about is not known before other steps are measured
            return self.plan.steps[index].process.answers("measure")

    def image_feeds(self, index: int) -> list[Feed]:
        """Return the images that the pixels of a step are made of."""
        step = self.plan.steps[index]
        linked = [step.inputs[p.name] for p in step.process.inputs if p.is_image and p.name in step.inputs]
        return [f for one in linked for f in ([one] if isinstance(one, Feed) else one)]

    def _measure_known(self, index: int) -> Known:
        # The port is that of no image: a process is asked whether it measures before it can tell its frame.
        return self._known(self.plan.steps[index], Feed(index, ""), None)

    def computed(self, index: int) -> Any:
        """Return the Value of a step that needs Values and frames only."""
        step = self.plan.steps[index]
        try:
            return step.process.compute(self._measure_known(index))
        except EngineError as e:
            raise NodeFailed(step.label, step.process.id, "", str(e)) from e
