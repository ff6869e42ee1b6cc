"""What the catalog's tests play on: people, plugins, and short ways to run and to end instances."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from functions.jobs import Request
from functions.records import Input, Output, output_prefix, parse_header, parse_inputs
from gateway.catalog import outbox, registration, uploads
from gateway.catalog.base import table
from gateway.catalog.engine import Catalog
from gateway.catalog.folders import ensure
from gateway.catalog.instances import PluginInstance
from gateway.catalog.people import User
from gateway.catalog.plugins import ComputeResource
from gateway.catalog.settlement import settle
from gateway.catalog.submission import Order, submit
from gateway.catalog.tree import File, Folder
from gateway.catalog.uploads import Stored

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def parameter(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    """A parameter of a descriptor."""
    raw = {"name": name, "type": kind, "optional": False, "flag": f"--{name}", "short_flag": f"--{name}"}
    return raw | {"action": "store", "help": "", "ui_exposed": True} | fields


def descriptor(name: str, kind: str = "ds", /, **fields: Any) -> dict[str, Any]:
    """A small, valid descriptor."""
    raw = {"name": name, "dock_image": f"example/{name}:1.0", "version": "1.0", "type": kind, "parameters": []}
    return raw | {"execshell": "python3", "selfpath": "/usr/local/bin", "selfexec": name.removeprefix("pl-")} | fields


JOINING = [
    parameter("plugininstances", "str", optional=True, default=""),
    parameter("filter", "str", optional=True, default=""),
    parameter("groupByInstance", "bool", optional=True, default=False, action="store_true"),
]
"""The parameters that every ts plugin has."""


class Stage:
    """Ann, Bob and Root; plugins, a clock that ticks.

    `gen` (fs), `pathed` (fs with a path), `ds`, `ts`; built in: `dircopy`, `tsdircopy`, `topological`.
    """

    def __init__(self, catalog: Catalog, *, slots: int = 2) -> None:
        self.catalog = catalog
        self.now = START
        with catalog.transaction() as session:
            rows = [self._person(name) for name in ("ann", "bob", "root")]
            session.execute(table(User).insert(), rows)
            for user in session.scalars(select(User)):
                ensure(session, [f"home/{user.username}/feeds"], owner_id=user.id, now=self.now)
            registration.add_compute_resource(session, "host", slots=slots, now=self.now)
            self.gen = self._plugin(session, descriptor("pl-gen", "fs"))
            self.pathed = self._plugin(session, descriptor("pl-pathed", "fs", parameters=[parameter("dir", "path")]))
            self.ds = self._plugin(
                session,
                descriptor(
                    "pl-ds",
                    parameters=[
                        parameter("count", "int", optional=True, default=1),
                        parameter("dry", "bool", optional=True, default=False, action="store_true"),
                    ],
                ),
            )
            self.dircopy = self._plugin(
                session,
                descriptor("pl-dircopy", "fs", parameters=[parameter("dir", "unextpath")]),
                runtime_kind="builtin",
            )
            self.ts = self._plugin(session, descriptor("pl-ts", "ts", parameters=JOINING))
            self.topological = self._plugin(
                session, descriptor("pl-topologicalcopy", "ts", parameters=JOINING), runtime_kind="builtin"
            )
            self.tsdircopy = self._plugin(
                session,
                descriptor("pl-tsdircopy", "ts", parameters=[parameter("dir", "unextpath"), *JOINING]),
                runtime_kind="builtin",
            )
        with catalog.reading() as session:
            self.ann, self.bob, self.root = session.scalars(select(User).order_by(User.id))

    def tick(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def run(self, plugin: int, previous: int | None = None, user: User | None = None, **fields: Any) -> int:
        """Submit an instance; answers its id."""
        order = Order(plugin, parameters=fields.pop("parameters", {}), previous_id=previous, **fields)
        with self.catalog.transaction() as session:
            return submit(session, user or self.ann, order, now=self.tick())

    def instance(self, instance: int) -> PluginInstance:
        with self.catalog.reading() as session:
            return session.get_one(PluginInstance, instance)

    def status(self, *instances: int) -> list[str]:
        return [self.instance(one).status for one in instances]

    def job(self, instance: int) -> str:
        job = self.instance(instance).job
        assert job is not None
        return job

    def end(
        self, instance: int, verdict: str = "finished", outputs: Iterable[Output] | None = None, **fields: Any
    ) -> bool:
        """Settle an instance's job with this verdict; with one output, if no others are given."""
        job = self.job(instance)
        result = {
            "verdict": verdict,
            "attempt": 1,
            "sentence": "",
            "reason": "",
            "exit_code": 0,
            "usage": None,
        } | fields
        lines = [self.output(instance, "out.txt")] if outputs is None else outputs
        return settle(self.catalog, job, result, lines, now=self.tick())

    def output(self, instance: int, path: str, size: int = 7) -> Output:
        return self.output_of(self.job(instance), path, size)

    @staticmethod
    def output_of(job: str, path: str, size: int = 7) -> Output:
        return Output(path, output_prefix(job, 1) + path, size, f"etag-{path}", "d" * 64)

    def upload(self, path: str, user: User | None = None, key: str = "", size: int = 5) -> int:
        key = key or f"uploads/{self.tick().timestamp()}/{path.rpartition('/')[2]}"
        with self.catalog.transaction() as session:
            return uploads.register(session, path, user or self.ann, Stored(key, size, f"etag-{key}"), now=self.tick())

    def requests(self) -> dict[int, tuple[Request, list[Input]]]:
        """What is in the outbox, by instance."""
        with self.catalog.reading() as session:
            letters = outbox.next_letters(session, limit=10_000)
        bodies = [letter.body for letter in letters if letter.kind == outbox.REQUEST]
        found = [(Request.from_dict(parse_header(body)), list(parse_inputs(body))) for body in bodies]
        return {request.instance: (request, inputs) for request, inputs in found}

    def paths(self) -> set[str]:
        """The paths of all files, shown or not."""
        with self.catalog.reading() as session:
            rows = session.execute(select(Folder.path, File.name).join(File.folder))
            return {f"{folder}/{name}" for folder, name in rows}

    def data(self, instance: int) -> str:
        """The path of the output folder of an instance."""
        with self.catalog.reading() as session:
            found = session.scalar(select(Folder.path).where(Folder.id == self.instance(instance).output_folder_id))
        assert found is not None
        return found

    def set_slots(self, slots: int) -> None:
        with self.catalog.transaction() as session:
            session.execute(table(ComputeResource).update().values(slots=slots))

    def _person(self, name: str) -> dict[str, Any]:
        row = {"username": name, "email": f"{name}@example.org", "password": "", "created": self.now}
        return row | {"is_superuser": name == "root", "is_staff": name == "root"}

    def _plugin(self, session: Any, raw: dict[str, Any], runtime_kind: str = "environment") -> int:
        return registration.register_plugin(
            session,
            raw,
            compute_resources=["host"],
            runtime_kind=runtime_kind,
            runtime_place=f"/plugins/{raw['name']}" if runtime_kind == "environment" else "",
            now=self.now,
        )
