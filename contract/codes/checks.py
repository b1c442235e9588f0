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
