"""How Alembic reaches the catalog: through the connection that `engine.upgrade` hands over."""

from alembic import context

from gateway.catalog.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
