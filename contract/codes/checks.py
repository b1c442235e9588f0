"""Check digits and check characters.

>>> gs1_digit("629104150021")
'3'
>>> mod97_10("DONE")
'88'
"""

_PRIMES = (
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83,
)  # fmt: skip
CSET82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
"""The characters a GS1 element may hold, in the order of their values. Source: GenSpecs 7.11."""
_CSET32 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def is_digits(text: str) -> bool:
    """Whether `text` is one or more ASCII digits; Arabic and superscript ones do not count."""
    return text.isascii() and text.isdigit()


def gs1_digit(payload: str) -> str:
    """Return the GS1 check digit of `payload`, ASCII digits: modulo 10, weights 3 and 1.

    Source: GS1 General Specifications 7.9.1.
    """
    total = 3 * sum(map(int, payload[-1::-2])) + sum(map(int, payload[-2::-2]))
    return str(-total % 10)


def gs1_digit_holds(digits: str) -> bool:
    """Whether the last of `digits`, ASCII digits, is the GS1 check digit of the others."""
    return gs1_digit(digits[:-1]) == digits[-1]


def gs1_pair_holds(text: str) -> bool:
    """Whether `text` ends with its GS1 check character pair, as a Global Model Number does.

    Args:
        text: of CSET 82 characters, at most 25 of them.

    Source: GS1 General Specifications 7.9.5.

    >>> gs1_pair_holds("1987654Ad4X4bL5ttr2310c2K")
    True
    """
    data, pair = text[:-2], text[-2:]
    weights = zip(reversed(data), _PRIMES, strict=False)
    total = sum(CSET82.index(character) * prime for character, prime in weights) % 1021
    return pair == _CSET32[total >> 5] + _CSET32[total & 31]


def mod97_10(text: str) -> str:
    """Return the two ISO 7064 MOD 97-10 check digits over the letters and digits of `text`.

    Letters count as in an IBAN, A is 10 and Z is 35; every other character is passed over. One
    wrong character is always found, and so are nearly all other damages.
    """
    return f"{98 - _number(text) * 100 % 97:02}"


def mod97_10_holds(text: str) -> bool:
    """Whether `text`, check digits last, satisfies ISO 7064 MOD 97-10."""
    return _number(text) % 97 == 1


def _number(text: str) -> int:
    kept = (character for character in text if character.isascii() and character.isalnum())
    return int("".join(str(int(character, 36)) for character in kept) or "0")


def price_digit(value: str) -> str:
    """Return the check digit of the price or weight field inside an in-store number.

    Args:
        value: 4 or 5 ASCII digits.

    Source: GS1 General Specifications 7.9.2 to 7.9.4.

    >>> price_digit("2875"), price_digit("14685")
    ('9', '6')
    """
    weights = _FOUR_DIGITS if len(value) == 4 else _FIVE_DIGITS
    total = sum(weight[int(digit)] for weight, digit in zip(weights, value, strict=True))
    return str(3 * total % 10) if len(value) == 4 else str(_FIVE_MINUS.index(-total % 10))


# Each digit becomes a multiple of itself, plus or minus its own tens, modulo 10.
_TWO_MINUS = (0, 2, 4, 6, 8, 9, 1, 3, 5, 7)
_THREE = (0, 3, 6, 9, 2, 5, 8, 1, 4, 7)
_FIVE_PLUS = (0, 5, 1, 6, 2, 7, 3, 8, 4, 9)
_FIVE_MINUS = (0, 5, 9, 4, 8, 3, 7, 2, 6, 1)
_FOUR_DIGITS = (_TWO_MINUS, _TWO_MINUS, _THREE, _FIVE_MINUS)
_FIVE_DIGITS = (_FIVE_PLUS, _TWO_MINUS, _FIVE_MINUS, _FIVE_PLUS, _TWO_MINUS)


def luhn_holds(digits: str) -> bool:
    """Whether the last of `digits`, ASCII digits, is the Luhn digit of the others.

    Source: ISO/IEC 7812-1 annex B.
    """
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    total = sum(tens + ones for tens, ones in doubled) + sum(map(int, digits[-1::-2]))
    return total % 10 == 0


def mod11_digit(payload: str) -> str:
    """Return the check character of an ISBN-10 or ISSN: modulo 11, weights 2, 3, 4 from the right.

    Args:
        payload: ASCII digits.

    Source: ISO 2108 (1992) and ISO 3297.

    >>> mod11_digit("030640615"), mod11_digit("0317847")
    ('2', '1')
    """
    total = sum(weight * int(digit) for weight, digit in enumerate(reversed(payload), start=2))
    return "0123456789X"[-total % 11]


CODE_39 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"
"""The characters of Code 39 and of HIBC, in the order of their values."""


def mod43_holds(text: str) -> bool:
    """Whether the last character of `text`, of `CODE_39`, is the modulo 43 check of the others.

    Source: ANSI/HIBC 2.6 appendix B; ISO/IEC 16388 annex A.
    """
    return CODE_39[sum(map(CODE_39.index, text[:-1])) % 43] == text[-1]


def mod37_36_holds(text: str) -> bool:
    """Whether `text`, of digits and capital letters, satisfies ISO 7064 MOD 37,36."""
    value = 36
    for character in text[:-1]:
        value = (value + int(character, 36)) % 36 or 36
        value = 2 * value % 37
    return (value + int(text[-1], 36)) % 36 == 1
