"""What a record expects, and what a driver said, in the same words."""

from typing import Any

from drivers.kit.readings import Dialogue, Noise, Reading, Refusal, Reply, Send, Step, Weight
from drivers.simulators.device import Device
from tests.drivers.conversation import dialogue, talking

NEEDED: dict[str, dict[str, object]] = {
    "generic_line": {"patterns": [r"W:(?P<value>[ +-]*[0-9]+\.[0-9]+) (?P<unit>kg)"]},
}
"""Settings that a driver cannot do without."""


def read(driver: str, data: bytes, **settings: Any) -> list[Step]:
    """Everything a fresh decoder says to `data` and the quiet after it, but not what it sends."""
    decoder = dialogue(driver, **settings).decoder
    steps = [*decoder.feed(data), *decoder.quiet()]
    return [step for step in steps if not isinstance(step, Send)]


def said(driver: str, record: dict[str, Any]) -> dict[str, Any]:
    """What `driver` says to the frame of `record`, as `record["expect"]` has it."""
    [step] = read(driver, bytes.fromhex(record["hex"]), **record.get("settings", {}))
    return told(step)


def told(step: Step) -> dict[str, Any]:
    """One step in the words of a record."""
    match step:
        case Weight():
            return {
                "weight": None if step.value is None else str(step.value),
                "unit": step.unit,
                "stable": step.stable,
                "measure": step.measure,
                "range": step.range,
                "zero": step.zero,
            }
        case Refusal():
            return {"refusal": step.code}
        case Reply():
            return {"reply": step.text}
        case Noise():
            return {"noise": True}
    raise AssertionError(step)


def weight(driver: str, data: bytes, **settings: Any) -> Weight:
    """The one weight `driver` reads in `data`."""
    [step] = read(driver, data, **settings)
    assert isinstance(step, Weight), step
    return step


async def arrives(scale: Device, talk: Dialogue, value: str | None = None) -> Weight:
    """The first weight of `scale` that comes through a real cable, with `value` if one is given."""

    def wanted(reading: Reading) -> bool:
        return isinstance(reading, Weight) and value in {None, str(reading.value)}

    async with scale, talking(scale.url, talk) as heard:
        found = await heard.expect(wanted)
    assert isinstance(found, Weight)
    return found
