"""A gateway that starts in no time: a fork of a warm process, with the shim set as asked.

What runs is the daemon's own `main`, in a process of its own.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from tests.power import shim
from tests.warm.process import WarmProcess


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to go wrong in one run, counted from its start."""

    store: Path
    """The folder whose I/O calls count."""
    tape: Path | None = None
    fail: int = 0
    """Number of the I/O call on the store that fails; 0 for none."""
    error: int = 0
    """Its errno; 0 cuts a write short."""
    lasts: Path | None = None
    """Later calls fail too as long as this file is there."""
    only: shim.Only = "any"
    """Which of them."""
    kill: int = 0
    """Die before this call of those that change anything outside the process; 0 for never."""
    lie: bool = False
    """Whether fsync lies."""
    careless: bool = False
    """Whether it says OK first and stores then: the fault that a test must find."""


class Warm(WarmProcess):
    """The warm process. The gateways it started end with their desks."""

    def __init__(self) -> None:
        super().__init__("tests.power.forked", env=shim.preloaded())

    def start(self, config: Path, plan: Plan, told: int) -> int:
        """Start a gateway whose log goes to the descriptor `told`; return its pid."""
        return self.fork({"config": config, **asdict(plan)}, told)
