"""Sample goods and documents of the demo warehouse. All numbers have a right check digit."""

from dataclasses import dataclass

GS = "\x1d"


@dataclass(frozen=True, slots=True)
class Good:
    """An item somebody can scan."""

    name: str
    gtin: str
    grams: int
    """What one weighs."""


GOODS = (
    Good("Cordless drill", "04006381333931", 1450),
    Good("Box of bolts M8", "05901234123457", 2300),
    Good("Coffee beans 1 kg", "09506000134352", 1020),
    Good("Serum, chilled", "00012345678905", 85),
)
DOCUMENTS = ("PO:PO-1001", "PO:PO-1002", "PO:PO-1003")


def label(good: Good, serial: str, lot: str = "L2411") -> str:
    """Return a GS1-128 label as a scanner sends it: AIM identifier, GTIN, lot, serial."""
    return f"]C101{good.gtin}10{lot}{GS}21{serial}"
