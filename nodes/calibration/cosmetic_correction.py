"""Hot and cold pixels, defective rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, ParameterError, Port, param
from .replace_defects import Defect, ReplaceDefects


class CosmeticCorrection(Composite, id="calibration.cosmetic_correction"):
    """Replace hot and cold pixels, and defective rows and columns, by what their neighbours say.

    In this order, as far as it is asked for: pixels that a master dark shows to be hot or cold (`hot_dark_check`,
    `cold_dark_check`, with `dark` linked) and those of the `defect_list`; then pixels that stand out from their
    neighbours in the frame itself (`hot_auto_check`, `cold_auto_check`). As in PixInsight nothing is asked for by
    default, which is refused.

    Correct calibrated frames before Debayer and registration. Made of DefectMap, ReplaceDefects, AverageDeviation
    and ReplaceOutliers, which tell the rules. Method and defaults: PixInsight's CosmeticCorrection, except that
    `cfa` follows the image, and that known defects are corrected before outliers are sought.
    """

    inputs = (
        Port("image", doc="the frame to be corrected, or a series of them"),
        Port("dark", optional=True, doc="the master dark"),
    )
    outputs = (Port("image"),)

    cfa: bool | None = param(default=None, doc="neighbours of the same filter colour only; none: as the image says")
    amount: float = param(default=1.0, low=0.0, high=1.0, doc="share of the replacement in the result")
    hot_dark_check: bool = param(default=False, doc="replace pixels that the dark shows to be hot")
    hot_dark_level: float = param(
        default=1.0, low=0.0, high=1.0, doc="a dark at least this bright is hot; 1: the white of the dark's range"
    )
    hot_dark_sigma: float | None = param(
        default=None, low=0.0, high=1000.0, unit="sigma", doc="the hot level as standard deviations above the mean"
    )
    cold_dark_check: bool = param(default=False, doc="replace pixels that the dark shows to be cold")
    cold_dark_level: float = param(
        default=0.0, low=0.0, high=1.0, doc="a dark at most this bright is cold; 0: the black of the dark's range"
    )
    cold_dark_sigma: float | None = param(
        default=None, low=0.0, high=1000.0, unit="sigma", doc="the cold level as standard deviations below the mean"
    )
    hot_auto_check: bool = param(default=False, doc="replace pixels brighter than their neighbours explain")
    hot_auto_value: float = param(
        default=3.0, low=0.0, high=50.0, usual=(2.0, 20.0), unit="sigma",
        doc="how many average deviations above its neighbours is hot",
    )
    cold_auto_check: bool = param(default=False, doc="replace pixels darker than their neighbours explain")
    cold_auto_value: float = param(
        default=3.0, low=0.0, high=50.0, usual=(2.0, 20.0), unit="sigma",
        doc="how many average deviations below its neighbours is cold",
    )
    defect_list: tuple[Defect, ...] = param(
        default=(),
        low=0,
        unit="px",
        doc="rows and columns: enabled, is a row (else a column), its number as stored from 0, "
        "is limited to a range, first and last pixel of the range",
    )

    whole_image_statistics: bool = param(
        default=False, doc="measure average deviations in every row of large images, too"
    )

    def check(self) -> None:
        ReplaceDefects(defect_list=self.defect_list)

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        image, dark = feeds["image"], feeds.get("dark")
        by_dark, by_eye = self.hot_dark_check or self.cold_dark_check, self.hot_auto_check or self.cold_auto_check
        if by_dark != (dark is not None):
            linked = "linked" if dark is not None else "not linked"
            raise ParameterError(
                "CosmeticCorrection: a master dark goes with hot_dark_check or cold_dark_check; "
                f"dark is {linked}, they are {self.hot_dark_check} and {self.cold_dark_check}"
            )
        if not (by_dark or by_eye or self.defect_list):
            raise ParameterError(
                "CosmeticCorrection: nothing to correct; set hot_auto_check or cold_auto_check, link a dark and set "
                "hot_dark_check or cold_dark_check, or give a defect_list"
            )
        how = {"cfa": self.cfa, "amount": self.amount}
        if by_dark or self.defect_list:
            image = add(
                "calibration.replace_defects", "defects", image=image, defects=self._map(add, dark),
                defect_list=self.defect_list, **how,
            )["image"]  # fmt: skip
        if by_eye:
            deviation = add(
                "calibration.average_deviation", "deviation", image=image, whole_image=self.whole_image_statistics
            )["measures"]
            image = add(
                "calibration.replace_outliers", "outliers", image=image, deviation=deviation,
                hot_auto_check=self.hot_auto_check, hot_auto_value=self.hot_auto_value,
                cold_auto_check=self.cold_auto_check, cold_auto_value=self.cold_auto_value, **how,
            )["image"]  # fmt: skip
        return {"image": image}

    def _map(self, add: Expand, dark: Any) -> Any:
        if dark is None:
            return None
        names = ("check", "level", "sigma")
        levels = {f"{side}_dark_{n}": getattr(self, f"{side}_dark_{n}") for side in ("hot", "cold") for n in names}
        return add("calibration.defect_map", "map", dark=dark, **levels)["defects"]
