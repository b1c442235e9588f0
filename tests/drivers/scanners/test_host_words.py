"""What the drivers say to scanners, held against what manuals and other people's programs say."""

import json
from typing import Any

import pytest

from tests.drivers.conversation import dialogue
from tests.drivers.records import FOLDER

WORDS = [
    json.loads(line)
    for line in (FOLDER.parent / "host-words.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: f"{word['driver']} {word['meaning']}")
def test_a_scanner_is_told_in_the_words_of_its_manual(word: dict[str, Any]) -> None:
    talk = dialogue(word["driver"], **word["settings"])
    assert getattr(talk, word["when"]) == bytes.fromhex(word["hex"])
