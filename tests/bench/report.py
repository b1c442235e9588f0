"""Tables of ratios: what holds beyond the machine that measured."""

import statistics
from collections.abc import Sequence

from tests.bench.contenders import FLOOR
from tests.bench.measures import Figures
from tests.bench.plan import Column, Measure

Results = dict[str, list[Figures]]
"""The figures of each round, by contender."""


def table(measure: Measure, results: Results) -> str:
    """Return one measure's table; a dash where there is no figure."""
    head = ["contender"]
    for column in measure.columns:
        head += [column.head, f"x {FLOOR}"] if column.ratio else [column.head]
    lines = [head]
    for name, rounds in results.items():
        cells = [name]
        for column in measure.columns:
            value = combined(rounds, column)
            cells.append(_written(value, column.digits))
            if column.ratio:
                cells.append(_written(share(results, name, column), 2))
        lines.append(cells)
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    rows = [
        "  ".join(
            [cells[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        )
        for cells in lines
    ]
    return "\n".join([f"\n{measure.title}", *rows])


def combined(rounds: Sequence[Figures], column: Column) -> float | None:
    """Return one figure over all rounds; None if no round has it."""
    values = [figures[column.name] for figures in rounds if column.name in figures]
    if not values:
        return None
    return sum(values) if column.total else statistics.median(values)


def share(results: Results, name: str, column: Column) -> float | None:
    """Return a contender's figure as a share of the floor's; the median over the rounds."""
    pairs = zip(results.get(name, []), results.get(FLOOR, []), strict=False)
    shares = [
        figures[column.name] / floor[column.name]
        for figures, floor in pairs
        if column.name in figures and floor.get(column.name)
    ]
    return statistics.median(shares) if shares else None


def _written(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
