"""What is kept of a password: the hashes of every release open, and none asks for too much."""

import pytest

from gateway.web.pin import holds
from runtime.passwords import OF_A_PASSWORD, OF_A_PIN, Held, Work, hashed

# Written by release 0.1.0, of which two modules each had a way of their own.
OF_A_GATEWAY = (
    "scrypt$16384$8$1$semXDbGbnAJ4hru6YKQRug==$"
    "TAAqwCppa3mQzYUQ56zs1HXX/GedH0TsZQrd+9dNqWZFFw9IoCN2nJTFQ5o7IzkU4JCp9HWrKpEIyGmZrPFaXg=="
)
OF_A_BRIDGE = (
    "scrypt$32768$8$3$89thgZYL1h5cc/WMsYxpEg==$7sMtAD6g9qJsgYh2x2L1c3TZ/lKJ/fkJYIOwtZ1KHf8="
)


def test_a_pin_that_an_earlier_release_wrote_down_still_opens() -> None:
    assert holds("4711", OF_A_GATEWAY)
    assert not holds("4712", OF_A_GATEWAY)


def test_a_password_that_an_earlier_release_wrote_down_still_opens() -> None:
    assert Held.parse(OF_A_BRIDGE).opens("correct horse battery")
    assert not Held.parse(OF_A_BRIDGE).opens("correct horse battery ")


def test_what_is_written_down_names_its_work_and_is_salted() -> None:
    one, two = hashed("4711", OF_A_PIN), hashed("4711", OF_A_PIN)
    assert one != two
    assert one.startswith("scrypt$16384$8$1$")
    assert Held.parse(one).work == OF_A_PIN
    assert hashed("correct horse").startswith("scrypt$32768$8$3$")
    assert Held.of_nobody().work == OF_A_PASSWORD


_16 = "AAAAAAAAAAAAAAAAAAAAAA=="
WRONG = {
    "nothing": ("", "no scrypt key"),
    "the PIN itself": ("4711", "no scrypt key"),
    "another kind": (f"bcrypt$2$8$1${_16}${_16}", "no scrypt key"),
    "a word for a number": (f"scrypt$x$8$1${_16}${_16}", "invalid literal"),
    "an odd cost": (f"scrypt$3$8$1${_16}${_16}", "power of two"),
    "no base64": (f"scrypt$2$8$1$!${_16}", "base64"),
    "a short key": (f"scrypt$2$8$1${_16}$AAAA", "too short"),
    "many rounds": (f"scrypt$2$8$17${_16}${_16}", "rounds"),
    "much memory": (f"scrypt$1048576$8$1${_16}${_16}", "too much memory"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_hash_or_asks_for_too_much_is_refused_before_any_work(
    text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Held.parse(text)
    assert not holds("4711", text)


def test_any_text_a_browser_sends_is_a_password() -> None:
    held = Held.parse(hashed("\ud800", Work(2, 8, 1)))
    assert held.opens("\ud800")
    assert not held.opens("")
