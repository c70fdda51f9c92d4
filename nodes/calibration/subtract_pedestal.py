"""Takes off the constant that a camera or program added to keep samples positive."""

from __future__ import annotations

from typing import Literal

from ...engine.api import Arguments, Frame, Known, ParameterError, Process, param
from ._masters import data_number

MODES = ("literal", "keyword", "custom")
Mode = Literal["literal", "keyword", "custom"]


class SubtractPedestal(Process, id="calibration.subtract_pedestal"):
    """Subtract a constant pedestal, given by hand or by a header word, from every sample.

    ``keyword`` takes the word PEDESTAL, whose sign is ignored as some programs write it negative;
    ``custom`` takes *pedestal_keyword* with its sign; ``literal`` takes *pedestal*. Pedestals are in
    data numbers: the range from 0 to white is 65535. Images without the word are left alone. The
    word is taken out of the header, so that no later step subtracts it again.

    Rules: PixInsight's ImageCalibration, input pedestal.
    """

    requires = "linear"

    pedestal_mode: Mode = param(default="keyword", choices=MODES, doc="where the pedestal is told")
    pedestal: float = param(default=0.0, low=0.0, high=1000.0, unit="DN", doc="the pedestal of mode literal")
    pedestal_keyword: str = param(default="", doc="the header word of mode custom")

    def check(self) -> None:
        if self.pedestal_mode == "custom" and not self.pedestal_keyword:
            raise ParameterError("SubtractPedestal: mode custom wants a pedestal_keyword, got none")
        if self.pedestal_mode != "literal" and self.pedestal:
            raise ParameterError(
                f"SubtractPedestal: a pedestal of {self.pedestal:g} DN wants pedestal_mode 'literal', "
                f"got {self.pedestal_mode!r}"
            )

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        keyword = self._keyword
        if not keyword:
            return image
        header = tuple(card for card in image.header if card[0].upper() != keyword)
        words = tuple(item for item in image.words if item[0].upper() != keyword)
        return image.with_(header=header, words=words)

    @staticmethod
    def rises(amount: float) -> bool:
        return True

    @staticmethod
    def pixel(x, amount):  # type: ignore[no-untyped-def]
        return x - amount

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        image = known.of("image")
        amount = self._amount(image)
        if amount == 0.0 or channel >= image.nominal:
            return None
        return (amount * data_number(image),)

    @property
    def _keyword(self) -> str:
        return {"literal": "", "keyword": "PEDESTAL", "custom": self.pedestal_keyword.upper()}[self.pedestal_mode]

    def _amount(self, image: Frame) -> float:
        """Return the pedestal in DN."""
        if self.pedestal_mode == "literal":
            return self.pedestal
        told = next((value for key, value, _ in image.header if key.upper() == self._keyword), None)
        if told is None or isinstance(told, bool):
            return 0.0
        try:
            amount = float(told)
        except ValueError:
            raise ParameterError(
                f"SubtractPedestal: header word {self._keyword} must be a number, got {told!r}"
            ) from None
        return abs(amount) if self.pedestal_mode == "keyword" else amount
