"""Calibration that does not fit the frames, or is done twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...engine.errors import unresolved
from ...engine.graph import Graph
from ..preprocess import links
from ..preprocess.differences import differences
from ..preprocess.group import ROLES, Rules
from ..preprocess.records import FrameRecord
from .findings import Finding
from .view import View

_CALIBRATES = ("calibration.image_calibration", "calibration.calibrate_frame")
_CODES = {"temperature": "C01", "gain": "C02", "offset": "C02", "read_mode": "C02", "exposure": "C03"}


def doubled(view: View) -> Iterator[Finding]:
    """Yield C05: what a frame was calibrated with before, and a bias that the dark holds already."""
    for node in view.processes:
        if view.id(node) in _CALIBRATES:
            yield from _again(view, node)
            yield from _bias_in_dark(view, node)


def _again(view: View, node: str) -> Iterator[Finding]:
    for port in ("bias", "dark", "flat"):
        if not view.sources(node, port):
            continue
        above = (n for n in view.chain(node) if n != node and view.id(n) in _CALIBRATES and view.sources(n, port))
        first = next(above, None)
        if first is not None:
            message = f"node '{node}', input '{port}': the frames were calibrated with a {port} by '{first}' before"
            yield Finding(code="C05", node=node, item=port, message=message, cure=f"unlink '{port}' of '{node}'")


def _bias_in_dark(view: View, node: str) -> Iterator[Finding]:
    """Yield a finding where raw darks, which hold the bias, are subtracted beside the bias itself."""
    bias, dark = view.sources(node, "bias"), view.sources(node, "dark")
    taken_off = view.value(node, "calibrate_dark") or view.value(node, "bias_in_dark")
    if not bias or not dark or taken_off:
        return
    chain = list(view.chain(dark[0].node))
    stacked = any(view.id(n).startswith("integration.") for n in chain)
    without = any(view.id(n) in _CALIBRATES and view.sources(n, "bias") for n in chain)
    # A master out of a file may have had its bias taken off; of one made here the graph tells.
    if stacked and not without:
        message = f"node '{node}', input 'bias': the dark of '{dark[0].node}' holds the bias, it is subtracted twice"
        cure = f"unlink 'bias', or set {node}.calibrate_dark to true"
        yield Finding(code="C05", node=node, item="bias", message=message, cure=cure)


def unmatched(graph: Graph, records: Mapping[str, FrameRecord], rules: Rules) -> Iterator[Finding]:
    """Yield C01 to C04 and C06: what the headers say of frames and of what calibrates them."""
    for path in links.files_of(graph):
        if path and path not in records:
            node = next(n for n in graph if path in links.paths_of(graph, n))
            message = f"node '{node}': the header of {path} cannot be read"
            yield Finding(code="C07", node=node, message=message, cure="check the path, or the file")
    calibrated = links.calibrations(graph)
    scaled = _scaled(graph)
    groups = links.groups_read(graph, records)
    for node, readers in calibrated.items():
        if node not in groups:
            continue
        for port, reader in readers.items():
            if reader in groups:
                role = links.role_at(port, groups[node])
                for word, wanted, there, *_ in differences(groups[node], groups[reader], role, rules):
                    if not (word == "exposure" and node in scaled):
                        yield _difference(node, reader, port, ROLES[role], word, wanted, there)
    for link in links.matching_of(graph, records, rules).broken:
        node = link.target.name
        # A dark holds the bias, and flats are served by a bias as well: one thing would be missing, not two.
        other = {"bias": "dark", "darkflat": "bias"}.get(link.role)
        if node in calibrated and other not in calibrated[node]:
            message = unresolved(f"node '{node}' ({link.target.title})", link.miss)
            yield Finding(code="C06", node=node, item=link.role, message=message, cure=link.cure.removeprefix("cure: "))


def _difference(node: str, reader: str, port: str, role: str, word: str, wanted: str, there: str) -> Finding:
    message = f"node '{node}', {role} of '{reader}': {wanted} is wanted, {there} is there"
    cure = f"link a {role} of {wanted}"
    if word == "temperature":
        cure += ", or allow for more: --temperature-tolerance"
    elif word == "exposure":
        cure += ", or link a bias and scale the dark (optimize_darks, calibrate_dark)"
    return Finding(code=_CODES.get(word, "C04"), node=node, item=port, message=message, cure=cure)


def _scaled(graph: Graph) -> set[str]:
    """Return the reading nodes whose frames are calibrated with a dark that is scaled to fit."""
    found = set()
    for node in graph:
        spec = graph.spec(node)
        feeds = graph.feeds(node)
        if spec.process != links.CALIBRATION or not {"bias", "image"} <= feeds.keys():
            continue
        reader = links.reader_of(graph, feeds["image"])
        if reader is not None and spec.params.get("optimize_darks", True):
            found.add(reader)
    return found
