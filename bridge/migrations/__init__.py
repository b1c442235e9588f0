"""Bring a ledger's schema up to date, or refuse it untouched."""

from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from bridge.database import Database, DatabaseUnfit
from bridge.errors import LedgerTooNew, LedgerUnusable


async def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction.

    Raises:
        LedgerTooNew: the ledger is at a revision this program does not know; nothing was changed.
        LedgerUnusable: it is no ledger, or cannot be opened or changed.
    """
    config = Config()
    config.set_main_option("script_location", "bridge:migrations")
    scripts = ScriptDirectory.from_config(config)
    try:
        async with database.read() as connection:
            heads = await connection.run_sync(_heads)
        for head in heads:
            if head not in {script.revision for script in scripts.walk_revisions()}:
                raise LedgerTooNew(
                    f"{_name(database)}: written by a newer version (revision {head} is not known"
                    " to this program)"
                )
        if heads == tuple(scripts.get_heads()):
            return
        async with database.write() as connection:
            await connection.run_sync(_upgrade, config)
    except (SQLAlchemyError, DatabaseUnfit, OSError) as error:
        raise LedgerUnusable(f"{_name(database)}: {error}") from error


async def check(database: Database) -> None:
    """Make sure that the ledger is of this program's own revision, and change nothing.

    Raises:
        LedgerUnusable: it is of another one, or is no ledger.
    """
    config = Config()
    config.set_main_option("script_location", "bridge:migrations")
    wanted = tuple(ScriptDirectory.from_config(config).get_heads())
    try:
        async with database.read() as connection:
            found = await connection.run_sync(_heads)
    except (SQLAlchemyError, DatabaseUnfit, OSError) as error:
        raise LedgerUnusable(f"{_name(database)}: {error}") from error
    if found != wanted:
        raise LedgerUnusable(
            f"{_name(database)}: at revision {', '.join(found) or 'none'}, this program is at"
            f" {', '.join(wanted)}; start the bridge of this version first"
        )


def _heads(connection: Connection) -> tuple[Any, ...]:
    return MigrationContext.configure(connection).get_current_heads()


_LOCK = 0x5CA9905E
"""Of bridges that bring the schema of one PostgreSQL up to date: any number, but our own."""


def _upgrade(connection: Connection, config: Config) -> None:
    if connection.dialect.name == "postgresql":
        # Bridges that start together on a new database would make the same tables.
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _name(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)
