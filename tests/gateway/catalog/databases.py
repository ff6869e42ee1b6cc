"""Real databases for the catalog's tests: SQLite files, and a PostgreSQL server where one is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from gateway.catalog.base import Base
from gateway.catalog.engine import Catalog


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres, on the PATH or where Debian keeps them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


def names() -> list[str]:
    """The databases that the tests run on here. With REQUIRE_POSTGRESQL a missing server is an error, not left out."""
    there = postgres_binaries() is not None and importlib.util.find_spec("psycopg") is not None
    return ["sqlite", "postgresql"] if there or os.environ.get("REQUIRE_POSTGRESQL") else ["sqlite"]


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own, reached by a socket in its own folder; answers an SQLAlchemy URL."""
    binaries = postgres_binaries()
    assert binaries is not None, "PostgreSQL is required, but initdb is nowhere to be found."
    folder = Path(tempfile.mkdtemp(prefix="catalog-postgres-"))
    user = "nobody" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    init = [binaries / "initdb", "-D", data, "-U", "chrysalis", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
    subprocess.run(init, user=user, cwd=folder, check=True, capture_output=True)
    settings = [f"-cunix_socket_directories={folder}", "-clisten_addresses=", "-cfsync=off", "-cmax_connections=40"]
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, *settings], user=user, cwd=folder, stderr=-1, text=True
    )
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if "ready to accept connections" in line:
                break
        yield f"postgresql+psycopg://chrysalis@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # "fast": it does not wait for its clients
        server.communicate(timeout=30)
        shutil.rmtree(folder)


def empty(catalog: Catalog) -> None:
    """Remove all rows, and begin to count from 1 again."""
    every = ", ".join(Base.metadata.tables)
    with catalog.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {every} RESTART IDENTITY CASCADE"))
