"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "compute_resources",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=600), nullable=False),
        sa.Column("compute_url", sa.String(length=300), nullable=False),
        sa.Column("compute_auth_url", sa.String(length=350), nullable=False),
        sa.Column("max_job_exec_seconds", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("modified", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_resources")),
        sa.UniqueConstraint("name", name=op.f("uq_compute_resources_name")),
    )
    op.create_table(
        "groups",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=150), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
    )
    op.create_table(
        "journal",
        sa.Column("id", KEY, nullable=False),
        sa.Column("noun", sa.String(length=30), nullable=False),
        sa.Column("noun_id", KEY, nullable=False),
        sa.Column("verb", sa.String(length=30), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("job", sa.String(length=63), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_job"), ["job"], unique=False)

    op.create_table(
        "pending_deletions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_deletions")),
        sa.UniqueConstraint("key", name=op.f("uq_pending_deletions_key")),
    )
    op.create_table(
        "plugin_metas",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("public_repo", sa.String(length=300), nullable=False),
        sa.Column("license", sa.String(length=50), nullable=False),
        sa.Column("type", sa.String(length=4), nullable=False),
        sa.Column("icon", sa.String(length=300), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("authors", sa.String(length=200), nullable=False),
        sa.Column("documentation", sa.String(length=800), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("modified", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugin_metas")),
        sa.UniqueConstraint("name", name=op.f("uq_plugin_metas_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", KEY, nullable=False),
        sa.Column("username", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "folders",
        sa.Column("id", KEY, nullable=False),
        sa.Column("parent_id", KEY, nullable=True),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("owner_id", KEY, nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("visible", sa.Boolean(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("feed_id", KEY, nullable=True),
        sa.Column("instance_id", KEY, nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_folders_owner_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["folders.id"], name=op.f("fk_folders_parent_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("path", name=op.f("uq_folders_path")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("folders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_folders_feed_id"), ["feed_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_folders_instance_id"), ["instance_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_folders_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_folders_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "memberships",
        sa.Column("id", KEY, nullable=False),
        sa.Column("group_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_memberships_group_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint("group_id", "user_id", name=op.f("uq_memberships_group_id_user_id")),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memberships_user_id"), ["user_id"], unique=False)

    op.create_table(
        "plugins",
        sa.Column("id", KEY, nullable=False),
        sa.Column("meta_id", KEY, nullable=False),
        sa.Column("version", sa.String(length=10), nullable=False),
        sa.Column("dock_image", sa.String(length=500), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("execshell", sa.String(length=50), nullable=False),
        sa.Column("selfpath", sa.String(length=512), nullable=False),
        sa.Column("selfexec", sa.String(length=50), nullable=False),
        sa.Column("min_number_of_workers", sa.Integer(), nullable=False),
        sa.Column("max_number_of_workers", sa.Integer(), nullable=False),
        sa.Column("min_cpu_limit", sa.Integer(), nullable=False),
        sa.Column("max_cpu_limit", sa.Integer(), nullable=False),
        sa.Column("min_memory_limit", sa.Integer(), nullable=False),
        sa.Column("max_memory_limit", sa.Integer(), nullable=False),
        sa.Column("min_gpu_limit", sa.Integer(), nullable=False),
        sa.Column("max_gpu_limit", sa.Integer(), nullable=False),
        sa.Column("runtime_kind", sa.String(length=20), nullable=False),
        sa.Column("runtime_place", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(["meta_id"], ["plugin_metas.id"], name=op.f("fk_plugins_meta_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugins")),
        sa.UniqueConstraint("meta_id", "dock_image", name=op.f("uq_plugins_meta_id_dock_image")),
        sa.UniqueConstraint("meta_id", "version", name=op.f("uq_plugins_meta_id_version")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "feeds",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("owner_id", KEY, nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("folder_id", KEY, nullable=True),
        sa.Column("note_title", sa.String(length=100), nullable=False),
        sa.Column("note_content", sa.Text(), nullable=False),
        sa.Column("deletion_status", sa.String(length=20), nullable=False),
        sa.Column("deletion_error", sa.Text(), nullable=False),
        sa.Column("deletion_requested_at", TIME, nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.Column("modified", TIME, nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["folders.id"], name=op.f("fk_feeds_folder_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_feeds_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("feeds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feeds_folder_id"), ["folder_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_feeds_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_feeds_public"), ["public"], unique=False)

    op.create_table(
        "files",
        sa.Column("id", KEY, nullable=False),
        sa.Column("folder_id", KEY, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("owner_id", KEY, nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["folders.id"], name=op.f("fk_files_folder_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_files_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("folder_id", "name", name=op.f("uq_files_folder_id_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.create_index("ix_files_key", ["key"], unique=False)
        batch_op.create_index(batch_op.f("ix_files_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "link_files",
        sa.Column("id", KEY, nullable=False),
        sa.Column("folder_id", KEY, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("owner_id", KEY, nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_link_files_folder_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_link_files_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_files")),
        sa.UniqueConstraint("folder_id", "name", name=op.f("uq_link_files_folder_id_name")),
    )
    with op.batch_alter_table("link_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_files_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "plugin_compute_resources",
        sa.Column("plugin_id", KEY, nullable=False),
        sa.Column("compute_resource_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["compute_resource_id"],
            ["compute_resources.id"],
            name=op.f("fk_plugin_compute_resources_compute_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name=op.f("fk_plugin_compute_resources_plugin_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plugin_id", "compute_resource_id", name=op.f("pk_plugin_compute_resources")),
    )
    with op.batch_alter_table("plugin_compute_resources", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_plugin_compute_resources_compute_resource_id"), ["compute_resource_id"], unique=False
        )

    op.create_table(
        "plugin_parameters",
        sa.Column("id", KEY, nullable=False),
        sa.Column("plugin_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("optional", sa.Boolean(), nullable=False),
        sa.Column("default", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("flag", sa.String(length=52), nullable=False),
        sa.Column("short_flag", sa.String(length=52), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("help", sa.Text(), nullable=False),
        sa.Column("ui_exposed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name=op.f("fk_plugin_parameters_plugin_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugin_parameters")),
        sa.UniqueConstraint("plugin_id", "name", name=op.f("uq_plugin_parameters_plugin_id_name")),
    )
    op.create_table(
        "plugin_instances",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job", sa.String(length=63), nullable=True),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("plugin_id", KEY, nullable=False),
        sa.Column("owner_id", KEY, nullable=False),
        sa.Column("feed_id", KEY, nullable=False),
        sa.Column("previous_id", KEY, nullable=True),
        sa.Column("compute_resource_id", KEY, nullable=True),
        sa.Column("output_folder_id", KEY, nullable=True),
        sa.Column("workflow_id", KEY, nullable=True),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("start_date", TIME, nullable=False),
        sa.Column("end_date", TIME, nullable=False),
        sa.Column("cpu_limit", sa.Integer(), nullable=False),
        sa.Column("memory_limit", sa.Integer(), nullable=False),
        sa.Column("gpu_limit", sa.Integer(), nullable=False),
        sa.Column("number_of_workers", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("slotless", sa.Boolean(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("registered", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=7), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=50), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("usage", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=False),
        sa.Column("runtime_place", sa.Text(), nullable=False),
        sa.Column("deletion_status", sa.String(length=20), nullable=False),
        sa.Column("deletion_error", sa.Text(), nullable=False),
        sa.Column("deletion_requested_at", TIME, nullable=True),
        sa.Column("queued_ms", sa.BigInteger(), nullable=True),
        sa.Column("released_ms", sa.BigInteger(), nullable=True),
        sa.Column("staged_ms", sa.BigInteger(), nullable=True),
        sa.Column("dispatched_ms", sa.BigInteger(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("uploading_ms", sa.BigInteger(), nullable=True),
        sa.Column("committed_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["compute_resource_id"],
            ["compute_resources.id"],
            name=op.f("fk_plugin_instances_compute_resource_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.id"], name=op.f("fk_plugin_instances_feed_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["output_folder_id"], ["folders.id"], name=op.f("fk_plugin_instances_output_folder_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_plugin_instances_owner_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name=op.f("fk_plugin_instances_plugin_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["previous_id"], ["plugin_instances.id"], name=op.f("fk_plugin_instances_previous_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugin_instances")),
        sa.UniqueConstraint("job", name=op.f("uq_plugin_instances_job")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("plugin_instances", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_plugin_instances_compute_resource_id"), ["compute_resource_id"], unique=False
        )
        batch_op.create_index("ix_plugin_instances_feed_status", ["feed_id", "status"], unique=False)
        batch_op.create_index(batch_op.f("ix_plugin_instances_output_folder_id"), ["output_folder_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_plugin_instances_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_plugin_instances_plugin_id"), ["plugin_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_plugin_instances_previous_id"), ["previous_id"], unique=False)
        batch_op.create_index(
            "ix_plugin_instances_queue", ["status", "slotless", "compute_resource_id", "owner_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_plugin_instances_workflow_id"), ["workflow_id"], unique=False)

    op.create_table(
        "parameter_values",
        sa.Column("id", KEY, nullable=False),
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("parameter_id", KEY, nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["plugin_instances.id"], name=op.f("fk_parameter_values_instance_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parameter_id"],
            ["plugin_parameters.id"],
            name=op.f("fk_parameter_values_parameter_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parameter_values")),
    )
    with op.batch_alter_table("parameter_values", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_parameter_values_instance_id"), ["instance_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_parameter_values_parameter_id"), ["parameter_id"], unique=False)

    op.create_table(
        "repairs",
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["plugin_instances.id"], name=op.f("fk_repairs_instance_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_repairs")),
    )
    with op.batch_alter_table("repairs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_repairs_next_at"), ["next_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("repairs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_repairs_next_at"))

    op.drop_table("repairs")
    with op.batch_alter_table("parameter_values", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parameter_values_parameter_id"))
        batch_op.drop_index(batch_op.f("ix_parameter_values_instance_id"))

    op.drop_table("parameter_values")
    with op.batch_alter_table("plugin_instances", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_plugin_instances_workflow_id"))
        batch_op.drop_index("ix_plugin_instances_queue")
        batch_op.drop_index(batch_op.f("ix_plugin_instances_previous_id"))
        batch_op.drop_index(batch_op.f("ix_plugin_instances_plugin_id"))
        batch_op.drop_index(batch_op.f("ix_plugin_instances_owner_id"))
        batch_op.drop_index(batch_op.f("ix_plugin_instances_output_folder_id"))
        batch_op.drop_index("ix_plugin_instances_feed_status")
        batch_op.drop_index(batch_op.f("ix_plugin_instances_compute_resource_id"))

    op.drop_table("plugin_instances")
    op.drop_table("plugin_parameters")
    with op.batch_alter_table("plugin_compute_resources", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_plugin_compute_resources_compute_resource_id"))

    op.drop_table("plugin_compute_resources")
    with op.batch_alter_table("link_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_link_files_owner_id"))

    op.drop_table("link_files")
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_files_owner_id"))
        batch_op.drop_index("ix_files_key")

    op.drop_table("files")
    with op.batch_alter_table("feeds", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feeds_public"))
        batch_op.drop_index(batch_op.f("ix_feeds_owner_id"))
        batch_op.drop_index(batch_op.f("ix_feeds_folder_id"))

    op.drop_table("feeds")
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tokens_user_id"))

    op.drop_table("tokens")
    op.drop_table("plugins")
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_memberships_user_id"))

    op.drop_table("memberships")
    with op.batch_alter_table("folders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_folders_parent_id"))
        batch_op.drop_index(batch_op.f("ix_folders_owner_id"))
        batch_op.drop_index(batch_op.f("ix_folders_instance_id"))
        batch_op.drop_index(batch_op.f("ix_folders_feed_id"))

    op.drop_table("folders")
    op.drop_table("users")
    op.drop_table("plugin_metas")
    op.drop_table("pending_deletions")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_job"))

    op.drop_table("outbox")
    op.drop_table("journal")
    op.drop_table("groups")
    op.drop_table("compute_resources")
