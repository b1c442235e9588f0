"""Recorded and documented frames: one JSON object a line, each with its source."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "drivers"


def records(driver: str) -> list[dict[str, Any]]:
    """The frames of one driver."""
    lines = (FOLDER / f"{driver}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
