"""All rules at once."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.errors import GraphError
from ...engine.graph import Graph
from ..check import Problem, check
from ..document import Graph as DocumentGraph
from ..preprocess.group import Rules
from ..preprocess.records import FrameRecord
from . import calibration, paths, stretches, whole
from .findings import CODES, Finding
from .view import View


def lint(
    graph: Graph,
    records: Mapping[str, FrameRecord] | None = None,
    rules: Rules | None = None,
    *,
    template: bool = False,
) -> list[Finding]:
    """Return all that is doubtful about *graph*, errors first, then in order of nodes. Opens no file.

    A warning is left out where its node has the tag ``allow-CODE``.

    Parameters
    ----------
    graph
        A graph, whole or broken.
    records
        What the headers of the files it reads say, by path as the graph has it. None: calibration frames are judged
        by their links only.
    rules
        How alike frames and their calibration frames must be.
    template
        Overlook the named inputs that were not given yet.
    """
    problems = check(graph, template=template)
    view = View.of(graph)
    found = [_of_problem(p) for p in problems]
    for rule in (stretches.findings, calibration.doubled, whole.findings, paths.findings):
        found += rule(view)
    if records is not None:
        found += calibration.unmatched(graph, records, rules or Rules())
    if isinstance(graph, DocumentGraph):
        found = [f for f in found if f.level == "error" or f"allow-{f.code}" not in graph.tags.get(f.node, ())]
    order = {name: i for i, name in enumerate(sorted(graph))}
    codes = list(CODES)
    return sorted(found, key=lambda f: (f.level != "error", order.get(f.node, -1), codes.index(f.code), f.message))


def _of_problem(problem: Problem) -> Finding:
    cure = problem.cure
    if problem.code == "G03" and not cure:
        offered = "; node '" in problem.message
        cure = "link one of them" if offered else "add a node that gives it"
    elif problem.code == "G06" and not cure:
        cure = "give the parameter a value that the process takes"
    elif problem.code == "G04" and not cure:
        cure = "link another output"
    if problem.code not in CODES:
        raise GraphError(f"no code for the problem: {problem}")
    return Finding(code=problem.code, node=problem.node, item=problem.item, message=problem.message, cure=cure)
