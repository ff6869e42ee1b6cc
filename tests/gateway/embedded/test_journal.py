"""broker.db: changes are whole or not at all, one commit serves many, and a database that fails is a sentence."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.errors import Temporary
from gateway.embedded.journal import Change, DeadLetter, Delivery, Journal, read_dead_letters

HEADERS = {"ce-id": "1", "ce-type": "t"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "broker.db")
    yield journal
    journal.close()


def delivery(id: int, **changes: object) -> Delivery:
    return Delivery(id, "one", HEADERS, b"body", **changes)  # type: ignore[arg-type]


def test_what_is_written_is_read_again_by_another(journal: Journal, tmp_path: Path) -> None:
    first, second = delivery(1, attempt=3, hops=7), delivery(2)
    letter = DeadLetter(delivery(3), 503, b"why", 12.5)
    journal.write(Change(add=(second, first, letter.delivery)))
    journal.write(Change(bury=(letter,)))
    journal.close()
    again = Journal(tmp_path / "broker.db")
    assert again.load() == [first, second]
    assert again.dead_letters() == [letter]
    assert again.newest() == 3
    again.close()


def test_a_change_is_whole_or_not_at_all(journal: Journal) -> None:
    journal.write(Change(add=(delivery(1), delivery(2))))
    with pytest.raises(Temporary):
        journal.write(Change(remove=(1,), add=(delivery(3), delivery(2))))
    assert [kept.id for kept in journal.load()] == [1, 2]
    journal.write(Change(remove=(1,)))
    assert [kept.id for kept in journal.load()] == [2]


def test_a_change_that_cannot_be_rendered_spoils_no_other(journal: Journal) -> None:
    broken = Delivery(1, "one", {"ce-id": object()}, b"")  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        journal.write(Change(add=(broken,)))
    journal.write(Change(add=(delivery(2),)))
    assert [kept.id for kept in journal.load()] == [2]


def test_changes_that_wait_are_committed_together(journal: Journal) -> None:
    begins: list[str] = []
    journal._database.set_trace_callback(lambda text: begins.append(text) if text.startswith("BEGIN") else None)
    threads = [threading.Thread(target=journal.write, args=(Change(add=(delivery(id),)),)) for id in range(1, 21)]
    with journal._turn:
        for thread in threads:
            thread.start()
        while len(journal._waiting) < 20:
            pass
    for thread in threads:
        thread.join()
    assert len(journal.load()) == 20
    assert len(begins) == 1


def test_a_dead_letter_is_buried_once(journal: Journal) -> None:
    """Two copies of one delivery may both fail."""
    journal.write(Change(add=(delivery(1),)))
    for code in (500, 503):
        journal.write(Change(bury=(DeadLetter(delivery(1), code, b""),)))
    assert [letter.code for letter in journal.dead_letters()] == [500]


def test_a_database_that_is_locked_is_a_sentence(journal: Journal, tmp_path: Path) -> None:
    journal._database.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(tmp_path / "broker.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Temporary, match=r"broker.db cannot be used \(database is locked\)"):
        journal.write(Change(add=(delivery(1),)))
    other.execute("ROLLBACK")
    other.close()
    journal.write(Change(add=(delivery(1),)))


def test_a_full_database_is_a_sentence_and_takes_messages_again_later(journal: Journal) -> None:
    journal._database.execute("PRAGMA max_page_count=20")
    large = Delivery(1, "one", HEADERS, bytes(200_000))
    with pytest.raises(Temporary, match="full"):
        journal.write(Change(add=(large,)))
    journal._database.execute("PRAGMA max_page_count=20000")
    journal.write(Change(add=(large,)))
    assert journal.load() == [large]


def test_a_journal_that_is_closed_is_a_sentence(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    journal.close()
    with pytest.raises(Temporary):
        journal.write(Change(add=(delivery(1),)))
    with pytest.raises(Temporary):
        journal.load()


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "broker.db").write_text("not SQLite, " * 100)
    with pytest.raises(Temporary, match="cannot be used"):
        Journal(tmp_path / "broker.db")
    with pytest.raises(Temporary, match="cannot be used"):
        read_dead_letters(tmp_path / "broker.db")


def test_nobody_else_may_read_the_messages(journal: Journal, tmp_path: Path) -> None:
    journal.write(Change(add=(delivery(1),)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
