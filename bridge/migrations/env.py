"""Run by Alembic, on the connection that `bridge.migrations.migrate` hands over."""

from alembic import context

from bridge.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
