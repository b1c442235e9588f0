"""Trade measures: what the 31nn to 36nn elements measure, and in which unit.

Source: GS1 General Specifications 3.6; units by UN/ECE Recommendation 20.

>>> measure_of("3102", "001750")
Measure(ai='3102', what='net weight', value=Decimal('17.50'), unit='KGM')
"""

from decimal import Decimal
from typing import NamedTuple


class Measure(NamedTuple):
    """An exact amount with the digits the label gives it. `unit` is a UN/ECE code."""

    ai: str
    what: str
    value: Decimal
    unit: str


_FAMILIES: dict[str, tuple[str, str]] = {
    "310": ("net weight", "KGM"),
    "311": ("length", "MTR"),
    "312": ("width", "MTR"),
    "313": ("height", "MTR"),
    "314": ("area", "MTK"),
    "315": ("net volume", "LTR"),
    "316": ("net volume", "MTQ"),
    "320": ("net weight", "LBR"),
    "321": ("length", "INH"),
    "322": ("length", "FOT"),
    "323": ("length", "YRD"),
    "324": ("width", "INH"),
    "325": ("width", "FOT"),
    "326": ("width", "YRD"),
    "327": ("height", "INH"),
    "328": ("height", "FOT"),
    "329": ("height", "YRD"),
    "330": ("gross weight", "KGM"),
    "331": ("logistic length", "MTR"),
    "332": ("logistic width", "MTR"),
    "333": ("logistic height", "MTR"),
    "334": ("logistic area", "MTK"),
    "335": ("logistic volume", "LTR"),
    "336": ("logistic volume", "MTQ"),
    "337": ("weight per area", "28"),
    "340": ("gross weight", "LBR"),
    "341": ("logistic length", "INH"),
    "342": ("logistic length", "FOT"),
    "343": ("logistic length", "YRD"),
    "344": ("logistic width", "INH"),
    "345": ("logistic width", "FOT"),
    "346": ("logistic width", "YRD"),
    "347": ("logistic height", "INH"),
    "348": ("logistic height", "FOT"),
    "349": ("logistic height", "YRD"),
    "350": ("area", "INK"),
    "351": ("area", "FTK"),
    "352": ("area", "YDK"),
    "353": ("logistic area", "INK"),
    "354": ("logistic area", "FTK"),
    "355": ("logistic area", "YDK"),
    "356": ("net weight", "APZ"),
    "360": ("net volume", "QTL"),
    "361": ("net volume", "GLL"),
    "362": ("logistic volume", "QTL"),
    "363": ("logistic volume", "GLL"),
    "364": ("net volume", "INQ"),
    "365": ("net volume", "FTQ"),
    "366": ("net volume", "YDQ"),
    "367": ("logistic volume", "INQ"),
    "368": ("logistic volume", "FTQ"),
    "369": ("logistic volume", "YDQ"),
}
# 357n is missing on purpose: GS1 leaves open whether its ounces are of weight or of volume.


def measure_of(ai: str, value: str) -> Measure | None:
    """Return the measure of a well-formed element, or None if the AI is no trade measure.

    The last digit of the AI is the number of decimals.
    """
    family = _FAMILIES.get(ai[:3]) if len(ai) == 4 else None
    if family is None:
        return None
    return Measure(ai, family[0], Decimal(value).scaleb(-int(ai[3])), family[1])
