"""Trade item numbers: four lengths and UPC-E, one canonical form of 14 digits.

Source: GS1 General Specifications 3.3 and 5.2.2.4 (UPC-E).
"""

from contract.codes.checks import gs1_digit, gs1_digit_holds, is_digits

LENGTHS = frozenset({8, 12, 13, 14})


def canonical_gtin(digits: str) -> str | None:
    """Return the 14 digits of a GTIN-8, -12, -13 or -14, or None if it is not one.

    Not one: other characters than ASCII digits, another length, or a wrong check digit.

    >>> canonical_gtin("96385074")
    '00000096385074'
    >>> canonical_gtin("96385075") is None
    True
    """
    if len(digits) in LENGTHS and is_digits(digits) and gs1_digit_holds(digits):
        return digits.zfill(14)
    return None


def from_upc_e(digits: str) -> str | None:
    """Return the 14 digits of a UPC-E of 8 digits (number system 0 or 1), or None.

    >>> from_upc_e("04252614")
    '00042100005264'
    """
    if len(digits) != 8 or not is_digits(digits) or digits[0] not in "01":
        return None
    system, body, check = digits[0], digits[1:7], digits[7]
    payload = system + _expanded(body)
    return f"00{payload}{check}" if gs1_digit(payload) == check else None


def _expanded(body: str) -> str:
    last = body[5]
    if last in "012":
        return f"{body[:2]}{last}0000{body[2:5]}"
    if last == "3":
        return f"{body[:3]}00000{body[3:5]}"
    if last == "4":
        return f"{body[:4]}00000{body[4]}"
    return f"{body[:5]}0000{last}"


def in_store(gtin: str) -> bool:
    """Whether a canonical GTIN is a restricted number, given out by a shop and not by GS1.

    What its digits mean (item, weight, price) is the shop's or the country's own rule.

    >>> in_store("02112345000008"), in_store("05901234123457")
    (True, False)
    """
    if gtin.startswith("000000"):
        return gtin[6] in "02"
    return gtin[0] == "0" and (gtin[1] == "2" or gtin[1:3] in {"02", "04"})
