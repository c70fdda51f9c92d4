"""Linear and stretched are told apart: a process that wants one never gets the other."""

from __future__ import annotations

from .errors import GraphError
from .evaluation import Evaluation
from .plan import Feed


def check_states(evaluation: Evaluation, targets: list[int]) -> None:
    """Raise GraphError for the first step that is fed the wrong state, naming who made it so and the cure."""
    steps = evaluation.plan.steps
    for i in evaluation.upstream(targets):
        wanted = steps[i].process.requires
        if wanted is None:
            continue
        feed = _first_image(evaluation, i)
        if feed is None or evaluation.frame(feed).state == wanted:
            continue
        maker = _maker(evaluation, feed)
        if wanted == "linear":
            cure = f"put '{steps[i].label}' before '{steps[maker].label}'"
        else:
            cure = f"stretch the image before '{steps[i].label}'"
        raise GraphError(
            f"node '{steps[i].label}' ({steps[i].process.id}) wants {wanted} data, but "
            f"'{steps[maker].label}' ({steps[maker].process.id}) gives {evaluation.frame(feed).state} data; {cure}"
        )


def _first_image(evaluation: Evaluation, index: int) -> Feed | None:
    step = evaluation.plan.steps[index]
    for port in step.process.inputs:
        linked = step.inputs.get(port.name)
        if port.is_image and linked is not None:
            return linked if isinstance(linked, Feed) else linked[0]
    return None


def _maker(evaluation: Evaluation, feed: Feed) -> int:
    """Return the step that gave the image its state: the last to declare it, or the source."""
    index = feed.step
    while evaluation.plan.steps[index].process.gives is None:
        before = _first_image(evaluation, index)
        if before is None:
            break
        index = before.step
    return index
