"""The audit trail as the page shows it: all of it, what was decided, or who came and went."""

from typing import Any, Literal, get_args

from sqlalchemy import select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.audit import plain
from bridge.ledger import Ledger
from bridge.schema import audit
from bridge.web.doorbook import Kind

Part = Literal["all", "decisions", "log-ins"]
PARTS: tuple[tuple[Part, str], ...] = (
    ("all", "Everything"),
    ("decisions", "Decisions"),
    ("log-ins", "Log-ins"),
)
"""What may be shown, and how it is called."""
AT_THE_DOOR: tuple[str, ...] = get_args(Kind)
"""What the trail says of people who come and go, and of who may."""

_AT_THE_DOOR = audit.c.what.in_(AT_THE_DOOR)
_OF = {"all": true(), "decisions": ~_AT_THE_DOOR, "log-ins": _AT_THE_DOOR}


def part_of(asked: str) -> Part:
    """Return the part that is asked for; all of it for any other word."""
    return next((part for part, _ in PARTS if part == asked), "all")


async def rows(ledger: Ledger, part: Part, limit: int, below: int | None) -> list[dict[str, Any]]:
    """Return the newest rows of a part, newest first; of those below a number if given.

    Raises:
        LedgerFailed: the database did not do its part.
    """

    async def found(connection: AsyncConnection) -> list[dict[str, Any]]:
        query = (
            select(audit)
            .where(_OF[part], true() if below is None else audit.c.number < below)
            .order_by(audit.c.number.desc())
            .limit(limit)
        )
        return [plain(dict(row)) for row in (await connection.execute(query)).mappings()]

    return await ledger.ask(found)
