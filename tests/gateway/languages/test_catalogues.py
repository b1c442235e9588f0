"""Every language says everything, with the same values in it, and nothing that nobody says."""

import string

import pytest

from gateway.languages import catalogue, names
from gateway.phrases import say, translate
from tests.gateway.languages.collected import COMPUTED, computed, templates

FOREIGN = names()[1:]
each_language = pytest.mark.parametrize("language", FOREIGN)


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_english_comes_first_and_the_others_are_files() -> None:
    assert names() == ("en", "de", "es", "fr")
    assert catalogue("en") == catalogue("xx") == catalogue("../de") == {}


def test_what_is_said_is_a_literal_so_that_it_can_be_found() -> None:
    assert computed() == COMPUTED


def test_what_is_found_is_more_than_a_few() -> None:
    found = templates()
    assert {"Acknowledged", "receipt", "pass through", "Offline since {time}"} <= found
    assert len(found) > 300


@each_language
def test_nothing_is_left_in_english(language: str) -> None:
    assert sorted(templates() - set(catalogue(language))) == []


@each_language
def test_nothing_is_translated_that_nobody_says(language: str) -> None:
    assert sorted(set(catalogue(language)) - templates()) == []


@each_language
def test_a_translation_has_the_values_of_the_original(language: str) -> None:
    wrong = {
        english: foreign
        for english, foreign in catalogue(language).items()
        if _fields(english) != _fields(foreign) or not foreign.strip()
    }
    assert wrong == {}


@each_language
def test_words_on_command_cards_stay_as_they_are_printed(language: str) -> None:
    cards = ("DONE", "UNDO", "CANCEL", "ACK", "HOLD", "OVERRIDE")
    wrong = {
        english: foreign
        for english, foreign in catalogue(language).items()
        for card in cards
        if (card in english) != (card in foreign)
    }
    assert wrong == {}


@each_language
def test_a_line_is_not_much_longer_than_the_original(language: str) -> None:
    """The screen is laid out for what English needs."""
    long = {
        english: foreign
        for english, foreign in catalogue(language).items()
        if len(foreign) > 1.6 * len(english) + 12
    }
    assert long == {}


def test_phrases_inside_phrases_are_translated_too() -> None:
    said = say("Undone: {what}", what=say("{kind} {what}", kind=say("receipt"), what="1 EA X"))
    assert translate(said, catalogue("de")) == "Rückgängig: Eingang 1 EA X"
    assert said == "Undone: receipt 1 EA X"
