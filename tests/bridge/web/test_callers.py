"""Who asks, by which name, and what a proxy is believed."""

from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from bridge.web.callers import Caller, Callers

PROXIES = (ip_network("192.0.2.0/28"), ip_network("2001:db8::/32"))
BEHIND = Callers(PROXIES, {"bridge.example"}, loopback=False)


class _Line:
    """What a request says of its connection."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.address, 4711) if name == "peername" else default


def request(address: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", {"Host": "h:1"} | named, transport=_Line(address))


@pytest.mark.parametrize(
    ("address", "forwarded", "found"),
    [
        ("198.51.100.9", "", "198.51.100.9"),
        ("198.51.100.9", "203.0.113.5", "198.51.100.9"),
        ("192.0.2.1", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "10.9.9.9, 203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "203.0.113.5, 192.0.2.3", "203.0.113.5"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "rubbish", "192.0.2.1"),
        ("192.0.2.1", "rubbish, 203.0.113.5", "203.0.113.5"),
        ("2001:db8::1", "203.0.113.5", "203.0.113.5"),
        ("::ffff:192.0.2.1", "::ffff:203.0.113.5", "203.0.113.5"),
        ("::ffff:198.51.100.9", "203.0.113.5", "198.51.100.9"),
    ],
)
def test_the_first_address_that_is_no_proxy_of_ours_is_who_asks(
    address: str, forwarded: str, found: str
) -> None:
    asked = request(address, X_Forwarded_For=forwarded) if forwarded else request(address)
    assert BEHIND.caller(asked).address == found


def test_only_a_known_proxy_says_that_it_came_encrypted() -> None:
    assert BEHIND.caller(request("192.0.2.1", X_Forwarded_Proto="https")) == Caller(
        "192.0.2.1", secure=True, origin="https://h:1"
    )
    for said, secure in (("http", False), ("http, HTTPS", True), ("https, http", False)):
        assert BEHIND.caller(request("192.0.2.1", X_Forwarded_Proto=said)).secure == secure
    assert BEHIND.caller(request("198.51.100.9", X_Forwarded_Proto="https")) == Caller(
        "198.51.100.9", secure=False, origin="http://h:1"
    )


@pytest.mark.parametrize(
    ("host", "there", "at_home"),
    [
        ("bridge.example", True, True),
        ("BRIDGE.example:443", True, True),
        ("localhost:8481", True, True),
        ("127.0.0.1", True, True),
        ("[::1]:8481", True, True),
        ("192.0.2.77", True, False),
        ("[2001:db8::2]", True, False),
        ("evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("0x7f.1", False, False),
    ],
)
def test_a_site_answers_to_its_own_names(host: str, there: bool, at_home: bool) -> None:
    asked = request("198.51.100.9", Host=host)
    assert BEHIND.knows(asked) == there
    assert Callers((), {"bridge.example"}, loopback=True).knows(asked) == at_home
