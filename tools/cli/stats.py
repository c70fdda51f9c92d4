"""`lerar stats`: the numbers of an image, or of a node that measures."""

from __future__ import annotations

from typing import Any

import rich_click as click

from ._graph_options import graph_options
from ._group import common
from ._output import number, table, tell, tell_json
from ._progress import progress_option, watching


@click.command("stats")
@click.argument("target", metavar="FILE|GRAPH:NODE")
@click.option("--normalized", is_flag=True, help="Scale estimators so that normal noise gives its standard deviation.")
@click.option("--region", metavar="Y0,X0,Y1,X1", help="Measure only these pixels (rows and columns of storage).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@graph_options
@progress_option
@common
def command(
    target: str,
    normalized: bool,
    region: str | None,
    as_json: bool,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    progress: bool | None,
) -> None:
    """Measure an image exactly and print its statistics, a column for each channel.

    A node that gives no image but numbers (stars, a fit, statistics) has its numbers printed.
    """
    from ._images import target_of

    chosen = target_of(target, inputs, settings)
    value = _value(chosen, normalized, region, progress)
    if as_json:
        tell_json(value)
    elif isinstance(value, dict) and "channels" in value and chosen.is_image:
        tell(_channels(value))
    else:
        tell("\n".join(_lines(value)))


def _value(chosen: Any, normalized: bool, region: str | None, progress: bool | None) -> Any:
    from ._regions import box_of

    with watching(progress) as watch:
        if not chosen.is_image:
            from ...engine.graph import Output

            return Output(chosen.graph, chosen.link).value(watch=watch)
        graph = chosen.graph.copy()
        box = None if region is None else tuple(box_of(region))
        node = graph.add("Statistics", name="lerar.stats", image=chosen.link, normalized=normalized, box=box)
        value = node.value(watch=watch)
    return value[chosen.frame] if isinstance(value, tuple) else value


def _channels(value: dict[str, Any]) -> str:
    channels = value["channels"]
    rows = [(name, *(_cell(c.get(name)) for c in channels)) for name in channels[0] if name not in _APART]
    for n, (percent, _) in enumerate(channels[0].get("percentiles", ())):
        rows.append((f"{percent:g} %", *(number(c["percentiles"][n][1]) for c in channels)))
    text = table(("", *(str(c["name"]) for c in channels)), rows, right=range(1, len(channels) + 1))
    lo, hi = value["bounds"]
    unit = f", in {value['unit']}" if value["unit"] else ""
    return f"{text}\nblack {number(lo)}, white {number(hi)}{unit}"


_APART = ("name", "percentiles")


def _cell(value: Any) -> str:
    return ", ".join(number(v) for v in value) if isinstance(value, list | tuple) else number(value)


def _lines(value: Any, indent: str = "") -> list[str]:
    """Return plain data as indented lines."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        pairs = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(str(n), v) for n, v in enumerate(value)]
    else:
        return [indent + number(value)]
    lines = []
    for name, item in pairs:
        if _is_short(item):
            lines.append(f"{indent}{name}: {_cell(item)}")
        else:
            lines += [f"{indent}{name}:", *_lines(item, indent + "  ")]
    return lines


def _is_short(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(not isinstance(v, list | tuple | dict) for v in value)
    return not isinstance(value, dict) and not hasattr(value, "tolist")
