"""Holds a run against an earlier one: what is worse by more than noise is a regression."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.contenders import OURS
from tests.bench.plan import Column, Measure
from tests.bench.report import Results, combined, share


@dataclass(frozen=True, slots=True)
class Held:
    """One figure of the gateway's, as it is kept: a share of the floor where there is one."""

    measure: str
    column: str
    value: float


@dataclass(frozen=True, slots=True)
class Worse:
    """A figure that is worse than it was by more than noise."""

    held: Held
    was: float

    def __str__(self) -> str:
        return f"{self.held.measure} {self.held.column}: {self.held.value:.3g}, was {self.was:.3g}"


def figure(results: Results, column: Column) -> float | None:
    """Return what a baseline keeps of a column."""
    if column.ratio:
        return share(results, OURS, column)
    return combined(results.get(OURS, []), column)


def held(measures: list[Measure], all_results: dict[str, Results]) -> list[Held]:
    """Return all figures of a run that are to be held against another."""
    return [
        Held(measure.key, column.name, round(value, 4))
        for measure in measures
        for column in measure.columns
        if column.better and (value := figure(all_results.get(measure.key, {}), column)) is not None
    ]


def save(path: Path, figures: list[Held]) -> None:
    """Write a baseline; figures that it has and this run has not are kept."""
    kept = {(each.measure, each.column): each for each in load(path)} if path.exists() else {}
    kept.update({(each.measure, each.column): each for each in figures})
    lines = [json.dumps(asdict(each)) for _, each in sorted(kept.items())]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def load(path: Path) -> list[Held]:
    """Read a baseline."""
    return [Held(**each) for each in json.loads(path.read_text())]


def regressions(
    measures: list[Measure], all_results: dict[str, Results], before: list[Held]
) -> list[Worse]:
    """Return what is worse than before by more than the noise of its column."""
    columns = {
        (measure.key, column.name): column for measure in measures for column in measure.columns
    }
    was = {(each.measure, each.column): each.value for each in before}
    found = []
    for each in held(measures, all_results):
        key = each.measure, each.column
        if key in was and _worse(columns[key], each.value, was[key]):
            found.append(Worse(each, was[key]))
    return found


def _worse(column: Column, now: float, before: float) -> bool:
    if column.better == "more":
        return now < before / (1 + column.noise)
    return now > before * (1 + column.noise) + column.slack
