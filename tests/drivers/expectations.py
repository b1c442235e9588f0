"""What a recorded frame is expected to mean, and whether a step means it."""

from typing import Any

from drivers.kit.readings import Range, Refusal, Reply, Step, Weight

_RANGES: dict[str, Range] = {
    "over": "over",
    "under": "under",
    "zero-error": "fault",
    "initial-zero-error": "fault",
    "tare-error": "fault",
}
ZERO = {"zero", "center-zero"}


def assert_means(steps: list[Step], expect: dict[str, Any]) -> None:
    """Fail unless `steps` are the one step that `expect` describes."""
    [step] = steps
    match expect["type"]:
        case "weight":
            assert isinstance(step, Weight)
            value = None if step.value is None else format(step.value, "f")
            assert (value, step.unit) == (expect["weight"], expect["unit"])
            if step.range == "ok":
                assert (step.stable, step.measure) == (expect["stable"], expect["mode"])
            _assert_flags(step, set(expect.get("flags", ())))
        case "status":
            assert isinstance(step, Weight)
            assert step.value is None
            _assert_flags(step, set(expect["flags"]))
        case "error":
            assert isinstance(step, Refusal)
        case "ack" | "info":
            assert isinstance(step, Reply)
        case other:
            raise AssertionError(other)


def _assert_flags(step: Weight, flags: set[str]) -> None:
    [expected] = {_RANGES[flag] for flag in flags if flag in _RANGES} or {"ok"}
    assert step.range == expected
    assert bool(step.zero) == bool(flags & ZERO)
