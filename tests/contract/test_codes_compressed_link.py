"""Compressed GS1 Digital Links: what other people's programs made of readable ones."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codes.compressed_link import expanded, is_compressed
from contract.codes.digital_link import read_compressed
from contract.identifiers import identify

# Source: tests of Solidsoft-Reply/Gs1DigitalLinkLib (Apache-2.0).
FULLY = """
00/998440410914660971 AN2yxDhfaiaw
01/05412345000013 AQnYUc1gmg
01/05412345000013/10/ABC123 AQnYUc1gmiCNV4JG
01/05412345000013/10/ABC123/21/72292641703 AQnYUc1gmiCNV4JGQhcNT6K6c
01/05412345000013/22/AJY3095721P49/10/ABC123/21/72292641703 AQnYUc1gmiCNV4JGQhcNT6K6cibQCWN9Pee9tT-PQ
01/05412345000013/22/AJY3095721P49/10/ABC123 AQnYUc1gmiCNV4JGRNoBLG-nvPe2p_Ho
01/05412345000013/235/8TFV883a904GH%263 AQnYUc1gmkax7ipGrOHDPC5YNI8hMz
01/05412345000013/21/72292641703 AQnYUc1gmkIXDU-iun
01/05412345000013/22/AJY3095721P49/21/72292641703 AQnYUc1gmkIXDU-iunIm0AljfT3nvbU_j0
01/05412345000013/22/AJY3095721P49 AQnYUc1gmkTaASxvp7z3tqfx6
253/3060077601309 JTLIetaiHYA
255/5678409730535 JVUqG5hJ5wA
401/0541234537290A41%26GHpp33 QBl2DVoxZM2jVm3ZOWEFoxTR5HDgzZg
402/21173492661712079 QCJZyW9mC6Z4
414/5060917510004 QUSaVjC_dA
414/5060917510004/254/RP56J920471 JUa0T-eifdtOO9UFEmlYwv3Q
414/5060917510004/7040/5KFX QUSaVjC_dHBAVlCrg
415/5060917510004 QVSaVjC_dA
417/5060917510004/7040/5KFX QXSaVjC_dHBAVlCrg
8004/0541234537290A41%26GHpp33/7040/7BVR cEB2CqjAAkuwatGLJm0as27JywgtGKaPI4cGbM
8006/054123450000130201/22/AJY3095721P49/10/ABC123/21/72292641703 EEarwSMhC4an0V05E2gEsb6e897an8ewAMGAkftmjYEy
8006/054123450000130201/10/ABC123/21/72292641703 EEarwSMhC4an0V08ADBgJH7Zo2BMg
8003/04965031954585 gAMJCAXukTMA
8004/0541234537290A41%26GHpp33 gASXYNWjFkzaNWbdk5YQWjFNHkcODNm
8006/054123450000130201 gAYMBI_bNGwJk
8006/054123450000130201/22/AJY3095721P49 Im0AljfT3nvbU_j2ABgwEj9s0bAmQ
8006/054123450000130201/21/72292641703 IQuGp9FdPAAwYCR-2aNgTI
8010/0541234537290A41%23GH33/8011/6639047221 gBCVYNWjFkzaNWbdk5YQWjFHHkM2cAI0xdvpGo
8013/5060917511473062B98T gBN05060917511473062B98T
8017/817019610850151481 gBe1ajAd9ATDk
8017/817019610850151481/8019/4003812 gBe1ajAd9ATDmAGXPRfk
8018/411369833821910265/8019/4003812 gBhbV6rzBENPmAGXPRfk
"""  # noqa: E501 - one link a line
PARTLY = """
01/05412345000013/10/ABC123/21/72292641703 01/05412345000013/EEarwSMhC4an0V04
01/05412345000013/235/8TFV883a904GH%263 01/05412345000013/I1j3FSNWcOGeFywaR5CZm
414/5060917510004/7040/5KFX 414/5060917510004/cEBWUKu
414/5060917510004/254/RP56J920471 414/5060917510004/JUa0T-eifdtOO9Q
8010/0541234537290A41%23GH33/8011/6639047221 8010/0541234537290A41%23GH33/gBGmLt9I1
8017/817019610850151481/8019/4003812 8017/817019610850151481/gBlz0X5A
"""
# Source: gs1/digital-link.js, README and tests (Apache-2.0).
COMBINED = """
01/09780345418913/10/231/21/345345/15/120820 HxHKVAdpQgZzjr-hCDKigI
01/09780345418913/21/43786 DBHKVAdpQgqrCg
"""
LINKS = [tuple(line.split()) for line in (FULLY + PARTLY + COMBINED).splitlines() if line]


@pytest.mark.parametrize(("readable", "link"), LINKS)
def test_a_compressed_link_says_what_the_readable_one_says(readable: str, link: str) -> None:
    words = [unquote(word) for word in readable.split("/")]
    for address in (f"https://id.example.com/{link}", f"HTTP://x.example/some/stem/{link}/"):
        found = read_compressed(address)
        assert found is not None
        assert found.pairs == list(zip(words[::2], words[1::2], strict=True))
        assert not found.problems


def test_a_parameter_of_the_resolver_is_passed_over() -> None:
    bits = "00000001" + f"{5412345000013:047b}"
    # F, a key of 3 in base 64, then base 64 again: 2 characters.
    bits += "1111" + f"{3:07b}" + f"{26:06b}" * 3 + f"{3:03b}" + f"{2:07b}" + f"{27:06b}" * 2
    bits += "0" * (-len(bits) % 6)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    said = "".join(alphabet[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))
    assert expanded(f"https://a.example/{said}") == [("01", "05412345000013")]


@given(st.from_regex(r"https://a\.example/[0-9A-Za-z_-]{6,60}", fullmatch=True))
def test_any_address_may_come(address: str) -> None:
    pairs = expanded(address)
    assert pairs is None or sum(len(value) for _, value in pairs) <= 2 * len(address)
    is_compressed(address)


def test_an_address_of_a_shop_is_no_link() -> None:
    for path in ("departments", "products/01234567890", "watch-AQnYUc1gmg0", "x/01/abc/EEarwSM"):
        assert identify(f"https://a.example/{path}".encode()).kind == "unknown"
