"""The door to the catalog: engines, transactions, migrations. SQLite on one machine, PostgreSQL for tenants.

A transaction that writes takes SQLite's write lock at once (BEGIN IMMEDIATE), so that what it read still holds when it
writes; on PostgreSQL the operations lock the rows that they decide on (SELECT ... FOR UPDATE, which SQLite leaves out).
Database errors become `Permanent` or `Temporary` here; an IntegrityError is for the operation that can explain it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Executable, Select, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session as Session  # the one name of SQLAlchemy that other rooms hold in their hands

from functions.errors import Permanent, Temporary
from gateway.catalog.base import Base

BUSY_SECONDS = 20
"""How long a writer waits for another one before it says that the catalog is busy."""
TRANSACTION_SECONDS = 60
"""No transaction lives longer: what is older than this is either committed or will never be."""
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x63687279
LOST_RACES = {"40001", "40P01", "55P03", "57014"}
"""PostgreSQL: serialization failure, deadlock, lock not available, statement timeout (its manual, appendix A)."""


class Catalog:
    """The catalog in one database.

    `arm` is called before a transaction that starts work is committed, so that the sweep is armed by then (design
    3.9); `wake` is called after that commit, so that the outbox is emptied at once. `tenant` names the tenant whose
    catalog this is.
    """

    def __init__(self, engine: Engine, *, tenant: str = "main") -> None:
        self.engine = engine
        self.tenant = tenant
        self.arm: Callable[[], None] = lambda: None
        self.wake: Callable[[], None] = lambda: None
        self._writer = engine.execution_options(chrysalis_begin="BEGIN IMMEDIATE", chrysalis_synchronous="FULL")
        self._quick_writer = self._writer.execution_options(chrysalis_synchronous="NORMAL")
        self._programs: dict[int, Any] = {}
        # SQLite lets writers poll for its lock; threads of one process wait better in a queue.
        self._queue = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Session]:
        """A transaction that writes: committed at the end, rolled back on any exception.

        Not `durable`: a power cut may undo it, which costs nothing where only a status is told; it waits for no disk.
        A thread in one must not begin another: on SQLite it would wait for itself.
        Raises Temporary if the database is busy or gone, or if another transaction won a race.
        """
        bind = self._writer if durable else self._quick_writer
        with self._turn(), translated(), Session(bind, expire_on_commit=False, info=self._info()) as session:
            with session.begin():
                if not durable and self._queue is None:
                    session.execute(text("SET LOCAL synchronous_commit TO off"))
                yield session
                session.flush()
                if session.info["work"]:
                    self.arm()
            work = session.info["work"]
        if work:
            self.wake()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads; all its statements see the same moment on SQLite. Nothing is committed."""
        with translated(), Session(self.engine, expire_on_commit=False, info=self._info()) as session:
            yield session

    def migrate(self) -> None:
        """Bring the tables up to this version of Chrysalis. Raises Permanent if a newer one wrote them."""
        head = newest_revision()
        with translated(), self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            known = inspect(connection).has_table("alembic_version")
            found = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
            if found == head:
                return
            if found is not None and found > head:
                raise Permanent(
                    f"The catalog has version {found}, newer than this Chrysalis ({head}): install a newer one."
                )
            upgrade(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _info(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "work": False, "programs": self._programs, "locks_rows": self._queue is None}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._queue is None:
            yield
            return
        if not self._queue.acquire(timeout=BUSY_SECONDS):
            raise Temporary("The catalog is busy. Try again in a moment.")
        try:
            yield
        finally:
            self._queue.release()


def open_catalog(url: str, *, tenant: str = "main", migrate: bool = True) -> Catalog:
    """The catalog at an SQLAlchemy URL, e.g. `sqlite:////home/me/.chrysalis/catalog.db`, with up-to-date tables."""
    catalog = Catalog(connect(url), tenant=tenant)
    if migrate:
        catalog.migrate()
    return catalog


def connect(url: str) -> Engine:
    """An engine with the settings that the catalog relies on."""
    engine = create_engine(url, pool_size=8, max_overflow=56, pool_use_lifo=True, pool_pre_ping=False)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "begin", begin_sqlite)
    return engine


def prepare_sqlite(connection: Any, record: Any) -> None:
    """WAL: readers and the writer do not wait for each other. FULL: a commit survives a power cut."""
    connection.isolation_level = None  # transactions are begun by begin_sqlite, not by the driver
    for setting in (f"busy_timeout={BUSY_SECONDS * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def begin_sqlite(connection: Any) -> None:
    options = connection.get_execution_options()
    synchronous = options.get("chrysalis_synchronous")
    if synchronous and connection.info.get("synchronous", "FULL") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info["synchronous"] = synchronous
    connection.exec_driver_sql(options.get("chrysalis_begin", "BEGIN"))


@contextmanager
def translated() -> Iterator[None]:
    """Database errors as our failures."""
    try:
        yield
    except IntegrityError:
        raise
    except OperationalError as error:
        if "no such" in str(error.orig):  # SQLite's word for a table or column that is not there
            raise Permanent("The catalog's tables are not those of this version of Chrysalis.") from error
        raise Temporary("The catalog's database does not answer, or is busy. Try again in a moment.") from error
    except DBAPIError as error:
        if error.connection_invalidated or getattr(error.orig, "sqlstate", None) in LOST_RACES:
            raise Temporary("Somebody changed the same rows at the same time. Try again.") from error
        raise


def starts_work(session: Session) -> None:
    """Say that this transaction starts work: the sweep is armed before its commit, the relay is woken after it."""
    session.info["work"] = True


def lock(session: Session, question: Select[Any]) -> None:
    """Lock rows until the end of the transaction; a SQLite transaction has locked everything already.

    Everywhere FOR NO KEY UPDATE: inserting a row that points at one of these does not wait, or deadlock, with it.
    """
    if session.info["locks_rows"]:
        session.execute(question.with_for_update(key_share=True)).all()


def tenant_of(session: Session) -> str:
    """The tenant whose catalog the session reads and writes."""
    return str(session.info["tenant"])


def insert_new(session: Session, model: type[Base]) -> Any:
    """An INSERT that passes over rows which a unique constraint refuses (both databases know ON CONFLICT)."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    return dialect.insert(model.metadata.tables[model.__tablename__]).on_conflict_do_nothing()


def changed(session: Session, statement: Executable) -> int:
    """Execute an UPDATE or DELETE; how many rows it changed."""
    return int(session.connection().execute(statement).rowcount)


def newest_revision() -> str:
    """The newest migration here. Migrations are numbered: `0001_...py`."""
    return max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def upgrade(connection: Any) -> None:
    """Run the migrations that are missing. Alembic is imported only here: a start without migrations is spared it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
