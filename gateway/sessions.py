"""Where a station stands: a value, stored as text with every commit, and read back at start.

>>> Sessions(modules={}).read("{}") is None
True
"""

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contract.transactions import Event
from gateway.stations.job import Job
from runtime.logs import event as log_event

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Undoable:
    """A transaction of this station that UNDO would reverse."""

    id: uuid.UUID
    event: Event


@dataclass(frozen=True, slots=True)
class Session:
    """Where a station stands. What could not be stored is taken back by forgetting."""

    job: str
    states: Mapping[str, Any]
    """By job; one that was left by a mode card waits where it was."""
    operator: str | None = None
    undoable: tuple[Undoable, ...] = ()

    @property
    def state(self) -> Any:
        """The state of the job at work."""
        return self.states[self.job]

    @property
    def written(self) -> tuple[Any, ...]:
        """What `Sessions.write` writes of it."""
        return self.job, self.operator, self.states


@dataclass(frozen=True, slots=True)
class Sessions:
    """Writes and reads the sessions of one station, each state by its own job."""

    modules: Mapping[str, Job]
    _adapters: dict[str, TypeAdapter[Any]] = field(default_factory=dict)

    def write(self, session: Session) -> str:
        """Return `session` as text; what UNDO can take back is in the outbox and left out."""
        states = {
            name: self._adapter(name).dump_python(state, mode="json", exclude_defaults=True)
            for name, state in session.states.items()
        }
        return json.dumps(
            {"job": session.job, "operator": session.operator, "states": states},
            separators=(",", ":"),
        )

    def read(self, text: str) -> Session | None:
        """Return the session that `write` wrote, None where it cannot be read.

        A state that a changed job no longer understands begins anew, and the log says so: what was
        booked is safe, and what was not must be scanned again.
        """
        try:
            stored = json.loads(text)
            job, operator, states = stored["job"], stored["operator"], dict(stored["states"])
        except (ValueError, KeyError, TypeError) as error:
            if text != "{}":
                log_event(log, logging.WARNING, "a session cannot be read", why=str(error)[:200])
            return None
        if job not in self.modules or not (operator is None or isinstance(operator, str)):
            return None
        read: dict[str, Any] = {}
        for name in self.modules.keys() & states.keys():
            try:
                read[name] = self._adapter(name).validate_python(states[name])
            except ValidationError as error:
                why = str(error.errors(include_input=False)[0]["msg"])
                log_event(log, logging.WARNING, "a session begins anew", job=name, why=why)
        return Session(job, read, operator)

    def _adapter(self, name: str) -> TypeAdapter[Any]:
        if name not in self._adapters:
            self._adapters[name] = TypeAdapter(self.modules[name].State)
        return self._adapters[name]
