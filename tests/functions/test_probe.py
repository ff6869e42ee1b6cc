"""A store that would let two win is refused before it is used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from functions.errors import Permanent, Temporary
from functions.objects import Body, Missing, ObjectInfo, Page, Store
from functions.objects_directory import DirectoryStore
from functions.objects_s3 import S3Store
from functions.probe import RACERS, Unfit, probe
from tests.servers import free_ports


class Wrapped:
    """A real store with one fault: the base of the broken ones."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store, self.name = store, "broken store"

    def head(self, key: str) -> ObjectInfo:
        return self.store.head(key)

    def get(self, key: str, *, start: int = 0, stop: int | None = None) -> Body:
        return self.store.get(key, start=start, stop=stop)

    def put(self, key: str, body: Any) -> ObjectInfo:
        return self.store.put(key, body)

    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        return self.store.create(key, body)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def list(self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False) -> Page:
        return self.store.list(prefix, after=after, limit=limit, folders=folders)


class IgnoresTheHeader(Wrapped):
    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        return self.store.put(key, body)


class LooksFirst(Wrapped):
    """Looks whether the key is free, and writes then: right as long as nobody else comes."""

    def __init__(self, store: DirectoryStore) -> None:
        super().__init__(store)
        self.seen = threading.Barrier(RACERS)

    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        try:
            self.store.head(key)
        except Missing:
            self.seen.wait()  # as bad luck has it, all have looked before the first has written
            return self.store.put(key, body)
        return None


class ReadsOldNews(Wrapped):
    """Answers a read from a copy that has not heard of the latest writes."""

    def get(self, key: str, *, start: int = 0, stop: int | None = None) -> Body:
        raise Missing(key)


class ListsOldNews(Wrapped):
    def list(self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False) -> Page:
        return Page(())


class ReadOnly(Wrapped):
    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        raise Permanent("The bucket denies access.")


class LosesAnswers(Wrapped):
    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        self.store.create(key, body)
        return None


@pytest.mark.parametrize(
    ("broken", "missing"),
    [
        (IgnoresTheHeader, "conditional create"),
        (LooksFirst, "conditional create"),
        (ReadsOldNews, "read-after-write"),
        (ListsOldNews, "list-after-write"),
        (ReadOnly, "denies access"),
    ],
)
def test_a_store_that_breaks_a_promise_is_refused_by_name(broken: type[Wrapped], missing: str, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=missing) as caught:
        probe(broken(DirectoryStore(tmp_path, durable=False)))
    assert "broken store" in str(caught.value)


def test_a_lost_answer_condemns_no_store(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="lost an answer"):
        probe(LosesAnswers(DirectoryStore(tmp_path, durable=False)))


def test_a_store_that_does_not_answer_is_not_condemned() -> None:
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(Temporary, match="does not answer"):
        probe(S3Store(bucket="lake", endpoint=endpoint, access_key="a", secret_key="b"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["directory", "moto", "seaweedfs", "seaweedfs-versioned"])
def test_the_tested_stores_pass_and_keep_nothing_of_it(store: Store) -> None:
    probe(store)
    assert store.list("").objects == ()


def test_plain_files_pass_many_rounds(tmp_path: Path, scale: Callable[[int, int, int], int]) -> None:
    probe(DirectoryStore(tmp_path, durable=False), rounds=scale(500, 100, 20))


def test_a_bucket_that_is_not_there_is_refused(open_bucket: Callable[[str], dict[str, Any]]) -> None:
    with pytest.raises(Unfit, match="Create the bucket"):
        probe(S3Store(**{**open_bucket("moto"), "bucket": "no-such-bucket"}))
