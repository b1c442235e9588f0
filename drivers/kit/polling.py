"""How often a device is asked, and how long it may take: settings of every driver that asks."""

from pydantic import BaseModel, ConfigDict, Field

RENEW = 10.0
"""Seconds after which a scale that was told to speak unasked is told so again: it forgets when
switched off, and some at any other command."""


class Polled(BaseModel):
    """The part of a driver's settings that says when to ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: float = Field(default=0.25, ge=0.1, le=60)
    """Seconds between two weighings. Several makers want at least 0.1, and none gains below."""

    within: float = Field(default=2.0, ge=0.1, le=60)
    """Seconds the scale may stay silent before it counts as lost."""
