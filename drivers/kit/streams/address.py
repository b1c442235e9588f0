"""The parts of a device URL: a path, and options that are all known by name."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote

from drivers.kit.errors import DeviceMisconfigured

_SWITCH = {"1": True, "on": True, "true": True, "0": False, "off": False, "false": False}


def text(url: SplitResult) -> str:
    """Return `url` for a message, without a password.

    `SplitResult.geturl` leaves out the two slashes of a URL without a host.
    """
    host = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{host}{url.path}" + (f"?{url.query}" if url.query else "")


def path(url: SplitResult) -> str:
    """Return the file path of `url`.

    Raises:
        DeviceMisconfigured: it has none, or names a host (two slashes where three belong).
    """
    if url.netloc or not url.path.startswith("/"):
        raise DeviceMisconfigured(f"{text(url)} must look like {url.scheme}:///dev/...")
    return unquote(url.path)


def options(url: SplitResult, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """Return the options after the ``?``, each read by its entry in `known`.

    Raises:
        DeviceMisconfigured: an option that is not in `known`, comes twice, or does not read.
    """
    found: dict[str, Any] = {}
    for name, word in parse_qsl(url.query, keep_blank_values=True):
        if name not in known:
            has = f"the known ones are {', '.join(known)}" if known else "there are none"
            raise DeviceMisconfigured(f"{text(url)}: no option {name!r}; {has}")
        if name in found:
            raise DeviceMisconfigured(f"{text(url)}: option {name!r} comes twice")
        try:
            found[name] = known[name](word)
        except (ValueError, KeyError) as error:
            raise DeviceMisconfigured(f"{text(url)}: {name} cannot be {word!r}") from error
    return found


def switch(word: str) -> bool:
    """Read ``1``, ``on``, ``true`` or ``0``, ``off``, ``false``."""
    return _SWITCH[word.lower()]


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return a reader that takes only the words `allowed`, in any case."""
    words = {word.lower(): word for word in allowed}
    return lambda word: words[word.lower()]
