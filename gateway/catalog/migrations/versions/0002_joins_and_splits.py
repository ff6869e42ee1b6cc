"""What ts plugins join, and splits; parameters keep their digits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "joins",
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("parent_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["plugin_instances.id"],
            name=op.f("fk_joins_instance_id_plugin_instances"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["plugin_instances.id"], name=op.f("fk_joins_parent_id_plugin_instances"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("instance_id", "parent_id", name=op.f("pk_joins")),
    )
    op.create_index(op.f("ix_joins_parent_id"), "joins", ["parent_id"])
    op.create_table(
        "splits",
        sa.Column("id", KEY, nullable=False),
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("filter", sa.String(length=600), nullable=False),
        sa.Column("created_ids", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["plugin_instances.id"],
            name=op.f("fk_splits_instance_id_plugin_instances"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_splits")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_splits_instance_id"), "splits", ["instance_id"])
    keep_digits("parameter_values", "value", nullable=False)
    keep_digits("plugin_parameters", "default", nullable=True)


def keep_digits(table: str, column: str, *, nullable: bool) -> None:
    """Make a JSON column one of text.

    On SQLite a new column takes the old one's place: a new table would, when the old one is dropped, take with it all
    rows that point at it.
    """
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column(table, column, type_=sa.Text(), postgresql_using=f'"{column}"::text')
        return
    op.add_column(table, sa.Column("exact", sa.Text(), nullable=nullable, server_default=None if nullable else ""))
    op.execute(f'UPDATE {table} SET exact = CAST("{column}" AS TEXT)')
    op.execute(f'ALTER TABLE {table} DROP COLUMN "{column}"')
    op.execute(f'ALTER TABLE {table} RENAME COLUMN exact TO "{column}"')


def downgrade() -> None:
    op.drop_table("splits")
    op.drop_table("joins")
    if op.get_bind().dialect.name != "sqlite":  # SQLite reads JSON from a column of text as well
        op.alter_column("parameter_values", "value", type_=sa.JSON(), postgresql_using="value::json")
        op.alter_column("plugin_parameters", "default", type_=sa.JSON(), postgresql_using='"default"::json')
