"""The door to the catalog: transactions, their hooks, and migrations."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from functions.errors import Permanent, Temporary
from gateway.catalog import engine as door
from gateway.catalog.base import Base
from gateway.catalog.engine import Catalog, newest_revision, open_catalog, starts_work
from gateway.catalog.people import Group, User
from tests.gateway.catalog.stage import START


def names(catalog: Catalog) -> list[str]:
    with catalog.reading() as session:
        return list(session.scalars(select(Group.name).order_by(Group.id)))


def test_the_migrations_make_the_tables_that_the_models_say(catalog: Catalog) -> None:
    with catalog.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == newest_revision()


def test_migrating_again_changes_nothing(catalog: Catalog) -> None:
    with catalog.transaction() as session:
        session.add(Group(name="kept"))
    catalog.migrate()
    assert names(catalog) == ["kept"]


def test_a_catalog_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    catalog = open_catalog(url)
    with catalog.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Permanent, match="newer"):
        open_catalog(url)


def test_two_servers_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    opened: list[Any] = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_catalog(f"sqlite:///{tmp_path}/catalog.db")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4


def test_a_transaction_is_whole_or_not_at_all(catalog: Catalog) -> None:
    with pytest.raises(KeyError), catalog.transaction() as session:
        session.add(Group(name="gone"))
        session.flush()
        raise KeyError
    assert names(catalog) == []


def test_the_sweep_is_armed_before_the_commit_and_the_relay_woken_after_it(catalog: Catalog) -> None:
    told: list[tuple[str, list[str]]] = []
    catalog.arm = lambda: told.append(("arm", names(catalog)))
    catalog.wake = lambda: told.append(("wake", names(catalog)))
    with catalog.transaction() as session:
        session.add(Group(name="work"))
        starts_work(session)
    assert told == [("arm", []), ("wake", ["work"])]


def test_nothing_is_armed_or_woken_where_no_work_starts(catalog: Catalog) -> None:
    told: list[str] = []
    catalog.arm, catalog.wake = lambda: told.append("arm"), lambda: told.append("wake")
    with catalog.transaction() as session:
        session.add(Group(name="quiet"))
    with pytest.raises(KeyError), catalog.transaction() as session:
        starts_work(session)
        raise KeyError
    assert told == []


def test_what_a_writer_has_read_still_holds_when_it_writes(catalog: Catalog) -> None:
    if catalog.engine.dialect.name != "sqlite":
        return  # there the operations lock rows; see test_races
    counted: list[int] = []

    def add_one() -> None:
        with catalog.transaction() as session:
            count = len(session.scalars(select(Group)).all())
            session.add(Group(name=f"group {count}"))
            counted.append(count)

    threads = [threading.Thread(target=add_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == list(range(8))


def test_a_writer_that_waits_too_long_is_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "BUSY_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path}/catalog.db"
    first, second = open_catalog(url), open_catalog(url)
    with first.transaction() as session:
        session.add(Group(name="first"))
        session.flush()
        with pytest.raises(Temporary), second.transaction() as other:  # another process
            other.scalars(select(Group)).all()
        refused: list[Exception] = []

        def try_once() -> None:
            try:
                with first.transaction():
                    pass
            except Temporary as error:
                refused.append(error)

        thread = threading.Thread(target=try_once)  # another thread of this one
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert names(second) == ["first"]


def test_a_database_that_is_gone_is_a_temporary_failure(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path}/nowhere/catalog.db", migrate=False)
    with pytest.raises(Temporary), catalog.reading() as session:
        session.scalars(select(Group)).all()


def test_times_come_back_with_their_zone(catalog: Catalog) -> None:
    with catalog.transaction() as session:
        session.add(User(username="ann", email="ann@example.org", password="", created=START))
    with catalog.reading() as session:
        assert session.scalars(select(User.created)).one() == START


def test_a_commit_on_sqlite_survives_a_power_cut_unless_it_says_otherwise(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    for durable, level in ((True, 2), (False, 1), (True, 2)):  # 2: FULL, 1: NORMAL
        with catalog.transaction(durable=durable) as session:
            assert session.scalar(text("PRAGMA synchronous")) == level
            assert session.scalar(text("PRAGMA foreign_keys")) == 1
            assert session.scalar(text("PRAGMA journal_mode")) == "wal"
