"""stage's endpoints for pods: who is answered, what a page holds, and which pod may start its plugin."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from functions import records, tokens
from functions.objects_directory import DirectoryStore
from functions.records import Input, Records
from functions.stage.pods import CACHED_RECORDS, FrozenInputs, Shelf, create_pods_app

MINTER = tokens.Minter("one", Ed25519PrivateKey.generate())
NOW = datetime(2026, 5, 4, tzinfo=UTC)
READY = {"index": 0, "uid": "pod-a", "files": 3, "bytes": 6}


class Stage:
    """The application over a store of plain files, asked as attempt 1 of job-1."""

    def __init__(self, folder: Path) -> None:
        self.store = DirectoryStore(folder, durable=False)
        self.records = Records(self.store)
        self.told: list[tuple[str, dict[str, Any]]] = []
        app = create_pods_app(self.store, self.records, MINTER.public(), self.emit, lambda: NOW, tenant="lab")
        self.client: FlaskClient = app.test_client()

    def emit(self, kind: str, **details: Any) -> None:
        self.told.append((kind, details))

    def freeze(self, count: int, attempt: int = 1) -> list[Input]:
        inputs = [Input(f"é/{n}", f"uploads/{n}", n, f"etag-{n}", digest="ab" * 32) for n in range(count)]
        header = {"count": count, "bytes": sum(range(count))}
        self.records.create_lines("job-1", records.inputs_name(attempt), records.render_lines(header, inputs))
        return inputs

    def put(self, name: str, **value: Any) -> None:
        self.records.create("job-1", name, value)

    def get(self, path: str, attempt: int = 1, tenant: str = "lab") -> TestResponse:
        return self.client.get(path, headers=bearer(attempt, tenant))

    def started(self, attempt: int = 1, **changes: Any) -> TestResponse:
        return self.client.post("/started", headers=bearer(attempt), json={**READY, **changes})


def bearer(attempt: int = 1, tenant: str = "lab") -> dict[str, str]:
    return {"Authorization": f"Bearer {MINTER.mint(tokens.Claims(tenant, 'job-1', attempt))}"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_pages_hold_every_row_once_with_a_url(stage: Stage) -> None:
    inputs = stage.freeze(25)
    rows: list[Any] = []
    following: int | None = 0
    while following is not None:
        page: Any = stage.get(f"/inputs?from={following}&limit=10").json
        assert (page["attempt"], page["count"], page["bytes"]) == (1, 25, 300)
        rows += page["rows"]
        following = page["next"]
    assert [(row["path"], row["size"], row["etag"], row["digest"]) for row in rows] == [
        (item.path, item.size, item.etag, item.digest) for item in inputs
    ]
    assert all(row["url"].startswith("file:///") for row in rows)


@pytest.mark.parametrize(("query", "count"), [("", 1000), ("?limit=5000", 1000), ("?limit=0", 1), ("?from=1100", 1)])
def test_a_page_has_at_most_a_thousand_rows(stage: Stage, query: str, count: int) -> None:
    stage.freeze(1101)
    page: Any = stage.get(f"/inputs{query}").json
    assert len(page["rows"]) == count


def test_a_page_beyond_the_end_is_empty(stage: Stage) -> None:
    stage.freeze(3)
    page: Any = stage.get("/inputs?from=9").json
    assert page["rows"] == []
    assert page["next"] is None


@pytest.mark.parametrize("query", ["?from=-1", "?from=x", "?limit=1.5", "?from=%C2%B2"])
def test_a_question_that_is_no_number_is_garbled(stage: Stage, query: str) -> None:
    stage.freeze(1)
    assert stage.get(f"/inputs{query}").status_code == 400


def test_a_caller_without_a_token_is_refused(stage: Stage) -> None:
    stage.freeze(1)
    assert stage.client.get("/inputs").status_code == 401
    assert stage.client.get("/inputs", headers={"Authorization": "Basic x"}).status_code == 401
    assert stage.client.get("/inputs", headers={"Authorization": "Bearer x.y.z"}).status_code == 401


def test_a_token_of_another_tenant_is_refused(stage: Stage) -> None:
    stage.freeze(1)
    assert stage.get("/inputs", tenant="other").status_code == 401


def test_a_decided_job_is_told_to_stop(stage: Stage) -> None:
    stage.freeze(1)
    stage.put(records.RESULT, verdict="cancelled")
    answer = stage.get("/inputs")
    assert answer.status_code == 409
    assert "decided" in answer.json["sentence"]  # type: ignore[index]
    assert stage.started().status_code == 409


def test_an_older_attempt_is_told_to_stop(stage: Stage) -> None:
    stage.freeze(1)
    stage.freeze(1, attempt=2)
    assert stage.get("/inputs", attempt=1).status_code == 409
    assert stage.started(attempt=1).status_code == 409
    assert stage.get("/inputs", attempt=2).status_code == 200


def test_the_first_pod_starts_and_a_second_does_not(stage: Stage) -> None:
    stage.freeze(3)
    assert stage.started().json == {"start": True}
    second: Any = stage.started(uid="pod-b").json
    assert second["start"] is False
    assert stage.started().json == {"start": True}, "the first may ask again"
    held = stage.records.read("job-1", "1/started/0")
    assert held == {"uid": "pod-a", "at": NOW.isoformat(), "files": 3, "bytes": 6}
    assert stage.told == [("job.started", {"job": "job-1", "attempt": 1, "index": 0})] * 3


def test_each_index_has_its_own_claim(stage: Stage) -> None:
    stage.freeze(3)
    assert stage.started().json == {"start": True}
    assert stage.started(index=1, uid="pod-b").json == {"start": True}


def test_an_attempt_with_a_verdict_starts_nothing(stage: Stage) -> None:
    stage.freeze(3)
    stage.put(records.terminated_name(1), verdict="retry")
    answer: Any = stage.started().json
    assert answer["start"] is False
    assert stage.records.find("job-1", "1/started/0") is None
    assert stage.told == []


def test_an_attempt_whose_outputs_are_closed_for_any_index_starts_nothing(stage: Stage) -> None:
    stage.freeze(3)
    stage.put(records.outputs_name(1, 1), state="closed")
    answer: Any = stage.started(index=0).json
    assert answer["start"] is False


def test_outputs_that_another_index_has_committed_do_not_hinder_a_start(stage: Stage) -> None:
    stage.freeze(3)
    stage.put(records.outputs_name(1, 1), uid="pod-b", manifest={"key": "k"})
    assert stage.started(index=0).json == {"start": True}


def test_a_refused_pod_makes_a_start_that_was_recorded_known_again(stage: Stage) -> None:
    stage.freeze(3)
    stage.put(records.started_name(1, 0), uid="pod-a")
    stage.put(records.terminated_name(1), verdict="retry")
    answer: Any = stage.started().json
    assert answer["start"] is False
    assert [kind for kind, _ in stage.told] == ["job.started"]


@pytest.mark.parametrize("change", [{"index": -1}, {"index": True}, {"uid": ""}, {"files": "3"}, {"bytes": None}])
def test_a_report_that_is_not_as_written_is_garbled(stage: Stage, change: dict[str, Any]) -> None:
    stage.freeze(3)
    assert stage.started(**change).status_code == 400


def test_a_body_that_is_no_json_is_garbled(stage: Stage) -> None:
    stage.freeze(3)
    answer = stage.client.post("/started", headers=bearer(), data=b"{")
    assert answer.status_code == 400
    assert stage.client.post("/started", headers=bearer(), data=b"[1]").status_code == 400


def test_a_record_is_read_once_for_many_pages() -> None:
    loads: list[str] = []

    def load(job: str, name: str) -> bytes:
        loads.append(job)
        return records.render_lines({"bytes": 0}, [Input("a", "k", 0, "e")])

    shelf = Shelf(load)
    for _ in range(3):
        assert shelf.get("job-1", 1).count == 1
    assert loads == ["job-1"]
    for number in range(CACHED_RECORDS):
        shelf.get(f"other-{number}", 1)
    assert len(shelf.held) == CACHED_RECORDS
    shelf.get("job-1", 1)
    assert loads.count("job-1") == 2, "what was not asked for the longest is forgotten"


def test_a_record_without_a_last_newline_is_read_whole() -> None:
    body = records.render_lines({"bytes": 1}, [Input("a", "k", 0, "e"), Input("b", "l", 1, "f")])
    assert [row.path for row in FrozenInputs.parse(body.rstrip(b"\n")).rows(0, 9)] == ["a", "b"]
    assert [row.path for row in FrozenInputs.parse(body).rows(1, 1)] == ["b"]
