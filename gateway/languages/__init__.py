"""The languages operators are spoken to in: a file for each, English being the code itself.

The folder is the registry. A file `de.toml` is a table from the English template to its
translation, with the same `{names}` in it. It is read when somebody first asks for it.

>>> from gateway.phrases import say, translate
>>> translate(say("Signed in: {who}", who="4711"), catalogue("de"))
'Angemeldet: 4711'
"""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ENGLISH = "en"
_FILES = Path(__file__).parent


@functools.cache
def names() -> tuple[str, ...]:
    """Return the languages there are, English first, without reading one."""
    return (ENGLISH, *sorted(file.stem for file in _FILES.glob("*.toml")))


@functools.cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the translations into `language`; empty for English and for what there is no file of.

    Raises:
        tomllib.TOMLDecodeError: the file is broken; a test holds those that are shipped.
    """
    if language == ENGLISH or language not in names():
        return MappingProxyType({})
    text = (_FILES / f"{language}.toml").read_text("utf-8")
    return MappingProxyType(tomllib.loads(text))
