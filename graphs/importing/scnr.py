"""SCNR as the nodes it is made of: both Siril and PixInsight have it, and its formulas are a line each.

Formulas: PixInsight's documentation of SCNR; the amount blends between the image and the full correction.
"""

from __future__ import annotations

from ...engine.graph import Link
from .sheet import Sheet

METHODS = ("AverageNeutral", "MaximumNeutral", "MaximumMask", "AdditiveMask", "MinimumNeutral")
COLORS = ("Red", "Green", "Blue")


def add_scnr(
    sheet: Sheet, name: str, image: Link, *, method: str, amount: float, color: str = "Green", lightness: bool = True
) -> Link:
    """Add the removal of a colour cast: arithmetic, and, to keep the lightness, a way through CIE L*a*b*."""
    at = COLORS.index(color)
    texts = ["$T", "$T", "$T"]
    texts[at] = expression(method, amount, at)
    made = sheet.image(
        "PixelMath", f"removed-{name}" if lightness else name, image=image, use_single_expression=False,
        expression=texts[0], expression1=texts[1], expression2=texts[2],
    )  # fmt: skip
    if not lightness:
        return made
    before = sheet.add("ChannelExtraction", f"lightness-{name}", image=image, color_space="Lab")
    after = sheet.add("ChannelExtraction", f"colour-{name}", image=made, color_space="Lab")
    return sheet.image(
        "ChannelCombination", name, red=before.output("first").link, green=after.output("second").link,
        blue=after.output("third").link, color_space="Lab",
    )  # fmt: skip


def expression(method: str, amount: float, at: int) -> str:
    """Return the arithmetic of channel *at*."""
    one, other = (f"$T[{i}]" for i in range(3) if i != at)
    a = repr(float(amount))
    if method in ("MaximumMask", "AdditiveMask"):
        mask = f"max({one}, {other})" if method == "MaximumMask" else f"min(1, {one} + {other})"
        return f"$T*(1 - {a})*(1 - {mask}) + {mask}*$T"
    limit = {
        "AverageNeutral": f"0.5*({one} + {other})",
        "MaximumNeutral": f"max({one}, {other})",
        "MinimumNeutral": f"min({one}, {other})",
    }[method]
    return f"(1 - {a})*$T + {a}*min($T, {limit})"
