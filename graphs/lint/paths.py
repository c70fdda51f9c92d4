"""Outputs that would be written over inputs, or over each other."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..relocation import file_params
from .findings import Finding
from .view import View


def findings(view: View) -> Iterator[Finding]:
    """Yield W02 and W03."""
    read: dict[str, str] = {}
    written: dict[str, str] = {}
    for node in view.processes:
        for param, files in file_params(view.graph.spec(node)):
            for file in files if param.file == "input" else ():
                read.setdefault(_place(view.graph.folder, file), node)
    for node in sorted(view.processes):
        for param, files in file_params(view.graph.spec(node)):
            for file in files if param.file == "output" else ():
                # Outputs begin at the current folder, wherever the graph lies.
                yield from _clash(node, param.name, file, _place(None, file), read, written)


def _place(folder: str | None, file: str) -> str:
    return os.path.normcase(os.path.realpath(os.path.join(folder or os.curdir, file)))


def _clash(
    node: str, param: str, file: str, at: str, read: dict[str, str], written: dict[str, str]
) -> Iterator[Finding]:
    where = f"node '{node}', {param}: {file}"
    if at in read:
        message = f"{where} is the file that '{read[at]}' reads"
        yield Finding(code="W02", node=node, item=param, message=message, cure="write to another file")
    if at in written:
        message = f"{where} is what '{written[at]}' writes, too"
        yield Finding(code="W03", node=node, item=param, message=message, cure="give each output a file of its own")
    written.setdefault(at, node)
