"""FITS words of a celestial solution, turned between the row orders of XISF and of a pixel grid.

Words of a solution inside an XISF file count rows as a FITS file does, upward from the bottom of the
picture, while the rows of the file itself run downward from the top (PixInsight's image-solver scripts
and PCL relate the two by ``y_image = height + 1/2 - y_fits``). A Frame's solution counts in storage order.
"""

from __future__ import annotations

import re

from ...engine.api import Card, Scalar

_SIP = re.compile(r"(A|B|AP|BP)_(\d)_(\d)")
# Lookup distortions belong to tables of a FITS file, which no XISF file holds.
_TABLES = re.compile(r"(CPDIS|CQDIS|DP|DQ|CPERR|CQERR)\d|D2IM.*")


def flipped(cards: tuple[Card, ...], height: int) -> tuple[Card, ...]:
    """Return the solution *cards* for the same picture with its *height* rows counted from the other end.

    The second pixel axis changes its sign: in the reference pixel, in the second column of the matrix
    (or in CDELT2, where there is no matrix) and in the odd powers of v of the SIP polynomials, whose
    v corrections change sign themselves. Polynomials in sky coordinates (PV) stay as they are.
    """
    if not cards:
        return ()
    names = {name for name, _, _ in cards}
    pc = any(name.startswith("PC") for name in names)
    cd = any(name.startswith("CD") and "_" in name for name in names)
    turned = [
        (name, _turned(name, value, height, pc, cd), comment)
        for name, value, comment in cards
        if not _TABLES.fullmatch(name)
    ]
    if pc and not names & {"PC2_2", "PC002002"}:
        turned.append(("PC2_2", -1.0, "default of 1, rows counted from the other end"))
    return tuple(turned)


def _turned(name: str, value: Scalar, height: int, pc: bool, cd: bool) -> Scalar:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if name == "CRPIX2":
        return height + 1 - value
    if name in ("CD1_2", "CD2_2", "PC1_2", "PC2_2", "PC001002", "PC002002"):
        return -value
    if name == "CDELT2" and not pc and not cd:
        # CROTA2 stays: the angle belongs to the sky, the mirrored row axis to the increment.
        return -value
    if sip := _SIP.fullmatch(name):
        odd = int(sip[3]) % 2 == 1
        return -value if odd != (sip[1] in ("B", "BP")) else value
    return value
