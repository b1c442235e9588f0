"""What operators are told, so that it can be said in another language.

A `Phrase` is its English text, and knows the template and values it was made of. The English
template is the key of a catalogue, so that code reads as what it says; see `gateway/languages`.

>>> text = say("{number}: scan the items", number="PO-7")
>>> text
'PO-7: scan the items'
>>> translate(text, {"{number}: scan the items": "{number}: Artikel scannen"})
'PO-7: Artikel scannen'
"""

from collections.abc import Mapping
from typing import Self


class Phrase(str):
    """An English text with the template and the values it came from."""

    template: str
    values: Mapping[str, str]

    def __new__(cls, template: str, values: Mapping[str, str]) -> Self:
        """Fill `values` into `template`."""
        phrase = super().__new__(cls, template.format_map(values) if values else template)
        phrase.template = template
        phrase.values = values
        return phrase

    def __reduce__(self) -> tuple[type[Self], tuple[str, Mapping[str, str]]]:
        """Return what a copy is made of."""
        return type(self), (self.template, self.values)


def say(template: str, /, **values: object) -> Phrase:
    """Return a phrase. Values that are phrases are translated with it.

    Args:
        template: English, with a `{name}` for each value; a literal, so that a test can find it.
        values: put in as text.
    """
    texts = {
        name: value if isinstance(value, Phrase) else str(value) for name, value in values.items()
    }
    return Phrase(template, texts)


def translate(text: str, catalogue: Mapping[str, str]) -> str:
    """Return `text` by `catalogue`, which maps English templates; in English what it lacks."""
    if not isinstance(text, Phrase):
        return catalogue.get(text, text)
    template = catalogue.get(text.template)
    values = {name: translate(value, catalogue) for name, value in text.values.items()}
    return (template or text.template).format_map(values) if values else template or text.template
