"""The languages operators are spoken to in: a file for each, English being the code itself.

The folder is the registry. A file `de.toml` is a table from the English template to its
translation, with the same `{names}` in it. It is read when somebody first asks for it.

>>> from gateway.phrases import say, translate
>>> translate(say("Signed in: {who}", who="4711"), catalogue("de"))
'Angemeldet: 4711'
"""

import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from types import MappingProxyType

ENGLISH = "en"


@functools.cache
def names() -> tuple[str, ...]:
    """Return the languages there are, English first, without reading one."""
    files = importlib.resources.files("gateway.languages").iterdir()
    return (
        ENGLISH,
        *sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")),
    )


@functools.cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the translations into `language`; empty for English and for what there is no file of.

    Raises:
        tomllib.TOMLDecodeError: the file is broken; a test holds those that are shipped.
    """
    if language == ENGLISH or language not in names():
        return MappingProxyType({})
    file = importlib.resources.files("gateway.languages") / f"{language}.toml"
    return MappingProxyType(tomllib.loads(file.read_text("utf-8")))
