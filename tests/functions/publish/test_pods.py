"""publish's endpoints for pods: what may be uploaded where, and which commit stands."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from functions import records, stored_file, tokens
from functions.errors import Permanent, Temporary
from functions.objects_directory import DirectoryStore
from functions.publish.pods import LARGEST_OBJECT, MOST_PARTS, check_path, create_pods_app, plan_parts
from functions.records import Records

MINTER = tokens.Minter("one", Ed25519PrivateKey.generate())
NOW = datetime(2026, 5, 4, tzinfo=UTC)
PREFIX = "jobs/job-1/1/out/"
MANIFEST = {"key": ".chrysalis/jobs/job-1/1/manifests/0-pod-a", "digest": "ab" * 32, "count": 2, "bytes": 10}
POD = {"index": 0, "uid": "pod-a"}


class PartedStore(DirectoryStore):
    """Asks for parts above 100 bytes, as an S3 store does above some megabytes."""

    part_bytes = 100  # type: ignore[assignment]


class Publish:
    """The application over a store of plain files, asked as attempt 1 of job-1, whose pod-a holds the claim."""

    def __init__(self, folder: Path) -> None:
        self.store = PartedStore(folder, durable=False)
        self.records = Records(self.store)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.broken = False
        self.put(records.inputs_name(1), bytes=0)
        self.put(records.started_name(1, 0), uid="pod-a")
        app = create_pods_app(self.store, self.records, MINTER.public(), self.emit, lambda: NOW)
        self.client: FlaskClient = app.test_client()

    def emit(self, kind: str, **details: Any) -> None:
        if self.broken:
            raise Temporary("The broker is down.")
        self.told.append((kind, details))

    def put(self, name: str, **value: Any) -> None:
        self.records.create("job-1", name, value)

    def post(self, path: str, attempt: int = 1, **body: Any) -> TestResponse:
        token = MINTER.mint(tokens.Claims("lab", "job-1", attempt))
        return self.client.post(path, headers={"Authorization": f"Bearer {token}"}, json=body)

    def uploads(self, *files: tuple[str, int], **changes: Any) -> TestResponse:
        asked = [{"path": path, "size": size} for path, size in files]
        return self.post("/uploads", **{**POD, "files": asked, **changes})

    def commit(self, **changes: Any) -> TestResponse:
        answer = self.post("/outputs", **{**POD, "manifest": MANIFEST, **changes})
        answer.close()  # what happens after the answer happens now
        return answer

    def held(self) -> records.Value | None:
        return self.records.find("job-1", "1/outputs/0")


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    return Publish(tmp_path)


def test_each_file_gets_a_place_below_its_attempt(publish: Publish) -> None:
    answer: Any = publish.uploads(("a/b.nii", 7), ("é", 0)).json
    assert [file["key"] for file in answer["files"]] == [PREFIX + "a/b.nii", PREFIX + "é"]
    assert all(file["url"].startswith("file:///") for file in answer["files"])
    assert answer["manifest"]["key"] == MANIFEST["key"]


def test_a_large_file_is_uploaded_in_parts_and_joined(publish: Publish) -> None:
    answer: Any = publish.uploads(("big", 250)).json
    [file] = answer["files"]
    assert (file["part_bytes"], len(file["urls"])) == (100, 3)
    more: Any = publish.post("/parts", key=file["key"], upload=file["upload"], **{"from": 2}, count=500).json
    assert more["urls"][:2] == file["urls"][1:]
    assert len(more["urls"]) == 100
    etags = []
    for url, size in zip(file["urls"], (100, 100, 50), strict=True):
        place = Path(os.fsdecode(stored_file.path_of(url)))
        place.write_bytes(b"x" * size)
        etags.append(stored_file.etag(place.stat()))
    for _ in range(2):
        done: Any = publish.post("/uploads/finish", key=file["key"], upload=file["upload"], etags=etags).json
        assert done["etag"] == publish.store.head(file["key"]).etag
    assert publish.store.get(file["key"]).read() == b"x" * 250


def test_the_first_call_tells_that_the_upload_has_begun(publish: Publish) -> None:
    publish.uploads(("a", 1), first=True)
    publish.uploads(("b", 1))
    assert publish.told == [("job.uploading", {"job": "job-1", "attempt": 1, "index": 0})]


@pytest.mark.parametrize("path", ["../x", "a/../x", "/etc/passwd", "a//b", "a/", ".", "a\0b", "a,b", "\ud800"])
def test_a_path_that_is_not_plain_is_refused(publish: Publish, path: str) -> None:
    assert publish.uploads((path, 1)).status_code == 422
    with pytest.raises(Permanent, match="rename it"):
        check_path(path)


def test_a_path_longer_than_a_key_is_refused_by_its_name(publish: Publish) -> None:
    longest = 1024 - len(PREFIX)
    fits, long = "/".join(["d" * 200] * 5)[:longest], "é" * 510
    assert publish.uploads((fits, 1)).status_code == 200
    answer = publish.uploads((long, 1))
    assert answer.status_code == 422
    assert long in answer.json["sentence"]  # type: ignore[index]


@pytest.mark.parametrize(
    "key", ["jobs/job-1/1/outside", "jobs/job-2/1/out/a", "jobs/job-1/2/out/a", PREFIX, PREFIX + "../../x"]
)
def test_parts_of_a_key_of_somebody_else_are_refused(publish: Publish, key: str) -> None:
    assert publish.post("/parts", key=key, upload="u", **{"from": 1}, count=1).status_code in (400, 422)
    assert publish.post("/uploads/finish", key=key, upload="u", etags=["e"]).status_code in (400, 422)


def test_a_pod_without_the_claim_uploads_and_commits_nothing(publish: Publish) -> None:
    assert publish.uploads(("a", 1), uid="pod-b").status_code == 409
    assert publish.uploads(("a", 1), index=1).status_code == 409
    manifest = {**MANIFEST, "key": ".chrysalis/jobs/job-1/1/manifests/0-pod-b"}
    assert publish.commit(uid="pod-b", manifest=manifest).status_code == 409
    assert publish.held() is None
    assert publish.told == []


@pytest.mark.parametrize("path", ["/uploads", "/manifest", "/outputs"])
@pytest.mark.parametrize("uid", ["../x", "", "a/b", "-a", "a" * 65, None])
def test_a_uid_that_is_none_is_garbled(publish: Publish, path: str, uid: Any) -> None:
    body = {"index": 0, "uid": uid, "files": [], "manifest": MANIFEST}
    assert publish.post(path, **body).status_code == 400


def test_a_commit_is_recorded_and_then_told(publish: Publish) -> None:
    assert publish.commit(skipped={"links": 2, "first": ["a"]}).status_code == 200
    expected = {"uid": "pod-a", "manifest": MANIFEST, "at": NOW.isoformat()}
    assert publish.held() == {**expected, "skipped": {"links": 2, "first": ["a"]}}
    details = {"manifest": MANIFEST["key"], "count": 2, "digest": MANIFEST["digest"]}
    assert publish.told == [("outputs.committed", {"job": "job-1", "attempt": 1, "index": 0, **details})]


def test_the_mover_has_its_answer_before_the_commit_is_told(publish: Publish) -> None:
    answer = publish.post("/outputs", **POD, manifest=MANIFEST)
    assert answer.status_code == 200
    assert publish.told == []
    answer.close()
    assert [kind for kind, _ in publish.told] == ["outputs.committed"]


def test_a_commit_stands_even_if_it_cannot_be_told(publish: Publish) -> None:
    publish.broken = True
    assert publish.commit().status_code == 200
    assert publish.held() is not None


def test_the_same_commit_again_is_answered_alike_and_told_again(publish: Publish) -> None:
    assert [publish.commit().status_code for _ in range(2)] == [200, 200]
    assert [kind for kind, _ in publish.told] == ["outputs.committed"] * 2


def test_a_second_manifest_does_not_replace_the_first(publish: Publish) -> None:
    publish.commit()
    assert publish.commit(manifest={**MANIFEST, "count": 3}).status_code == 409
    assert publish.held()["manifest"] == MANIFEST  # type: ignore[index]
    assert len(publish.told) == 1


def test_a_late_commit_finds_the_door_shut(publish: Publish) -> None:
    publish.put(records.outputs_name(1, 0), state="closed")
    for answer in (publish.uploads(("a", 1)), publish.commit()):
        assert answer.status_code == 409
        assert "closed" in answer.json["sentence"]  # type: ignore[index]
    assert publish.held() == {"state": "closed"}
    assert publish.told == []


def test_a_decided_job_takes_no_outputs(publish: Publish) -> None:
    publish.put(records.RESULT, verdict="cancelled")
    assert publish.commit().status_code == 409
    assert publish.uploads().status_code == 409
    assert publish.held() is None


def test_an_older_attempt_commits_nothing(publish: Publish) -> None:
    publish.put(records.inputs_name(2), bytes=0)
    assert publish.commit().status_code == 409


@pytest.mark.parametrize(
    "change", [{"key": "x"}, {"digest": "AB" * 32}, {"digest": "ab"}, {"count": -1}, {"bytes": "1"}, {"count": True}]
)
def test_a_manifest_that_is_not_as_written_is_garbled(publish: Publish, change: dict[str, Any]) -> None:
    assert publish.commit(manifest={**MANIFEST, **change}).status_code == 400
    assert publish.held() is None


@pytest.mark.parametrize("files", [None, [1], [{"path": "a"}], [{"path": "a", "size": -1}], [{"size": 1}], [{}] * 1001])
def test_a_question_for_urls_that_is_not_as_written_is_garbled(publish: Publish, files: Any) -> None:
    assert publish.post("/uploads", **POD, files=files).status_code == 400


@pytest.mark.parametrize("etags", [None, [], [1], [""]])
def test_parts_are_joined_by_their_etags_only(publish: Publish, etags: Any) -> None:
    assert publish.post("/uploads/finish", key=PREFIX + "a", upload="u", etags=etags).status_code == 400


def test_another_url_for_the_manifest_names_the_same_place(publish: Publish) -> None:
    first: Any = publish.uploads().json
    assert publish.post("/manifest", **POD).json == first["manifest"]


@given(st.integers(1, LARGEST_OBJECT), st.integers(5 * 1024**2, 5 * 1024**3))
def test_any_size_fits_into_the_parts_that_a_store_takes(size: int, wish: int) -> None:
    part_bytes = plan_parts(size, wish)
    assert part_bytes >= wish
    assert -(-size // part_bytes) <= MOST_PARTS


def test_what_no_store_takes_is_refused() -> None:
    with pytest.raises(Permanent, match="larger than any store takes"):
        plan_parts(LARGEST_OBJECT + 1, 1024**3)
