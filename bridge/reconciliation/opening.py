"""Puts reconciliation together, as `bridge.toml` says."""

from functools import partial
from typing import Any

from bridge import registry
from bridge.allowance import Opens
from bridge.config import Config
from bridge.reconciliation.rounds import Target


def target_of(config: Config, opens: Opens) -> Target:
    """Return what is read of the target, and how; `opens` its reading side."""
    connector = registry.load(config.target.connector)
    moves: Any = getattr(connector, "moves", None)
    return Target(
        name=config.target.connector,
        can=connector.CAPABILITIES,
        source=opens,
        moves=None if moves is None else partial(_moves, moves, config.target),
    )


def _moves(moves: Any, config: Any, transaction: Any) -> Any:
    return moves(transaction, config)
