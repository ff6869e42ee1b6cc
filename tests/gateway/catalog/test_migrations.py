"""A catalog of an older version keeps all that it holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import select

from gateway.catalog.engine import MIGRATIONS, connect, open_catalog
from gateway.catalog.instances import ParameterValue
from gateway.catalog.plugins import PluginParameter

OLD: dict[str, Any] = {'"text"': "text", "true": True, "12": 12, "0.1": 0.1, '""': "", '"1.0"': "1.0"}
"""Values as the first version kept them, and what they mean."""


def first_version(path: Path) -> None:
    """A catalog of the first version, with a parameter and a value for each of `OLD`."""
    engine = connect(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    parameter = """INSERT INTO plugin_parameters
        (id, plugin_id, name, type, optional, flag, short_flag, action, help, ui_exposed, "default")
        VALUES (?, 1, ?, 'x', 1, '', '', '', '', 1, ?)"""
    value = "INSERT INTO parameter_values (id, instance_id, parameter_id, type, value) VALUES (?, 1, ?, 'x', ?)"
    with sqlite3.connect(path) as raw:  # where foreign keys are not looked at
        for number, kept in enumerate(OLD):
            raw.execute(parameter, (number, f"p{number}", kept))
            raw.execute(value, (number, number, kept))
        raw.execute(parameter, (99, "none", None))
    raw.close()


def test_parameters_keep_their_values_through_the_second_version(tmp_path: Path) -> None:
    first_version(tmp_path / "old.db")
    catalog = open_catalog(f"sqlite:///{tmp_path / 'old.db'}")
    with catalog.reading() as session:
        values = list(session.scalars(select(ParameterValue.value).order_by(ParameterValue.id)))
        defaults = list(session.scalars(select(PluginParameter.default).order_by(PluginParameter.id)))
    catalog.close()
    assert values == list(OLD.values())
    assert defaults == [*OLD.values(), None]
