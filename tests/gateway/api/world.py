"""A small server for the tests of the API: Ann owns, Bob is a stranger, chris is the superuser; two plugins."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from functions.objects_directory import DirectoryStore
from functions.records import Output, output_prefix
from gateway.api.app import create_api
from gateway.api.calls import ApiSettings, Hooks
from gateway.catalog import accounts, registration
from gateway.catalog.engine import Catalog
from gateway.catalog.instances import PluginInstance
from gateway.catalog.settlement import settle
from tests.gateway.catalog.stage import descriptor, parameter

PASSWORD = "correct horse"
START = datetime(2026, 11, 22, 20, 18, 15, 39715, tzinfo=UTC)
COLLECTION = "application/vnd.collection+json"
JSON = "application/json"
PARAMETERS = [
    parameter("prefix", "str", optional=True, default=""),
    parameter("ignore", "bool", optional=True, default=False, action="store_true"),
    parameter("number", "int", optional=True, default=1),
    parameter("factor", "float", optional=True, default=1.1),
]


@dataclass(frozen=True)
class Cast:
    """Who and what is there at the start: user ids and tokens by name, plugins by their ids."""

    users: dict[str, int]
    tokens: dict[str, str]
    gen: int
    simple: int
    dircopy: int


def populate(catalog: Catalog, store: DirectoryStore) -> Cast:
    users = {
        name: accounts.add_user(
            catalog,
            store,
            username=name,
            password=PASSWORD,
            email=f"{name}@example.org",
            is_superuser=name == "chris",
            now=START,
        )
        for name in ("chris", "anna", "bobo")
    }
    with catalog.transaction() as session:
        tokens = {name: accounts.add_token(session, user, now=START) for name, user in users.items()}
        registration.add_compute_resource(session, "host", slots=4, now=START)

        def register(value: dict[str, Any], kind: str) -> int:
            return registration.register_plugin(
                session, value, compute_resources=["host"], runtime_kind=kind, runtime_place="/plugins/x", now=START
            )

        return Cast(
            users,
            tokens,
            register(descriptor("pl-gen", "fs"), "environment"),
            register(descriptor("pl-simple", "ds", parameters=PARAMETERS), "environment"),
            register(descriptor("pl-dircopy", "fs", parameters=[parameter("dir", "unextpath")]), "builtin"),
        )


class World:
    def __init__(self, catalog: Catalog, store: DirectoryStore, cast: Cast) -> None:
        self.catalog, self.store = catalog, store
        self.users, self.tokens = cast.users, cast.tokens
        self.gen, self.simple, self.dircopy = cast.gen, cast.simple, cast.dircopy
        self.now = START
        self.woken = 0
        catalog.wake = self._wake
        self.app = create_api(catalog, store, ApiSettings(), Hooks(now=self.tick))
        self.client: FlaskClient = self.app.test_client()

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def request(self, method: str, path: str, *, user: str = "", accept: str = JSON, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if accept:
            headers["Accept"] = accept
        if user:
            headers["Authorization"] = f"Token {self.tokens[user]}"
        return self.client.open(
            path if path.startswith("/") else f"/api/v1/{path}", method=method, headers=headers, **options
        )

    def get(self, path: str, user: str = "anna", **options: Any) -> Any:
        """The JSON of a GET that must succeed."""
        response = self.request("GET", path, user=user, **options)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_json()

    def upload(self, path: str, body: bytes = b"hello", user: str = "anna", **options: Any) -> TestResponse:
        form = {"upload_path": path, "fname": (io.BytesIO(body), path.rpartition("/")[2] or "x")}
        return self.request("POST", "userfiles/", user=user, data=form, content_type="multipart/form-data", **options)

    def run(self, plugin: int, user: str = "anna", **given: Any) -> Any:
        """The JSON of a new instance."""
        response = self.request("POST", f"plugins/{plugin}/instances/", user=user, json=given)
        assert response.status_code == 201, response.get_data(as_text=True)
        return response.get_json()

    def finish(self, instance: int, verdict: str = "finished", **files: bytes) -> None:
        """Settle an instance's job with these outputs, whose bytes are in the store."""
        with self.catalog.reading() as session:
            job = session.get_one(PluginInstance, instance).job or ""
        prefix = output_prefix(job, 1)
        infos = {name: self.store.put(prefix + name, body) for name, body in files.items()}
        lines = [Output(name, info.key, info.size, info.etag, "d" * 64) for name, info in infos.items()]
        result = {"verdict": verdict, "attempt": 1, "sentence": "", "reason": "", "exit_code": 0, "usage": None}
        settle(self.catalog, job, result, lines, now=self.tick())

    def count_statements(self, path: str, user: str = "anna") -> int:
        """How many SQL statements a GET takes."""
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            seen.append(statement)

        event.listen(self.catalog.engine, "before_cursor_execute", note)
        try:
            self.get(path, user)
        finally:
            event.remove(self.catalog.engine, "before_cursor_execute", note)
        return sum(1 for statement in seen if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")))

    def _wake(self) -> None:
        self.woken += 1


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def words(text: str) -> list[str]:
    """Names, in their order."""
    return text.split()
