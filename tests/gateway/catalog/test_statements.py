"""How many statements an operation takes: a number that does not grow with the page, the files or the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from gateway.catalog import counts, folders
from gateway.catalog.engine import Catalog
from gateway.policy import Reader
from tests.gateway.catalog.stage import Stage


@contextmanager
def counting(catalog: Catalog) -> Iterator[list[str]]:
    """The statements that are sent in between."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            sent.append(statement)

    event.listen(catalog.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(catalog.engine, "before_cursor_execute", note)


def taken(stage: Stage, action: Callable[[], object]) -> int:
    with counting(stage.catalog) as sent:
        action()
    return len(sent)


def test_a_page_of_a_folder_takes_three_statements_whatever_it_holds(stage: Stage) -> None:
    def page() -> None:
        with stage.catalog.reading() as session:
            ann = Reader(stage.ann.id)
            folder = folders.find(session, "home/ann/uploads", ann)
            assert folder is not None
            folders.children(session, folder, ann, limit=100)
            assert all(file.path for file in folders.files(session, folder, ann, limit=100))

    stage.upload("home/ann/uploads/a.txt")
    few = taken(stage, page)
    for number in range(30):
        stage.upload(f"home/ann/uploads/{number}.txt")
        stage.upload(f"home/ann/uploads/{number}/a.txt")
    assert taken(stage, page) == few == 3


def test_counts_of_a_page_of_feeds_take_one_statement(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(5)]
    stage.end(instances[0])
    feeds = [stage.instance(one).feed_id for one in instances]
    found: dict[int, dict[str, int]] = {}

    def count() -> None:
        with stage.catalog.reading() as session:
            found.update(counts.by_feed(session, [*feeds, 999]))

    assert taken(stage, count) == 1
    assert found[feeds[0]] == {"finishedSuccessfully": 1}
    assert found[feeds[4]] == {"created": 1}
    assert found[999] == {}


def test_a_job_costs_few_statements_and_no_more_when_there_is_a_past(stage: Stage) -> None:
    warm = stage.run(stage.gen)
    stage.end(warm)

    def costs() -> tuple[int, int]:
        made: list[int] = []
        submitting = taken(stage, lambda: made.append(stage.run(stage.gen)))
        outputs = [stage.output(made[0], "out.txt")]
        job = stage.job(made[0])
        with counting(stage.catalog) as sent:
            stage.end(made[0], outputs=outputs)
        own = [statement for statement in sent if job not in statement]
        return submitting, len(own) - 1  # `end` of the stage reads the row's job itself

    first = costs()
    for _ in range(20):
        stage.end(stage.run(stage.gen))
    assert costs() == first
    assert first[0] <= 20
    assert first[1] <= 10


def test_outputs_of_one_depth_take_as_many_statements_as_one(stage: Stage) -> None:
    def cost(files: int) -> int:
        instance = stage.run(stage.gen)
        outputs = [stage.output(instance, f"x{number}/{number}.txt") for number in range(files)]
        return taken(stage, lambda: stage.end(instance, outputs=outputs))

    stage.end(stage.run(stage.gen))
    few = cost(2)
    # rows of one INSERT are split where a database takes no more parameters in one statement
    assert cost(200) <= few + 4
