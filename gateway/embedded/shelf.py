"""The shelf of one machine: its compute resource, its first user, and the plugins that are installed on it."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources

from functions.objects import Store
from gateway.catalog import accounts, registration
from gateway.catalog.engine import Catalog, Session
from gateway.catalog.plugins import Plugin
from gateway.embedded.home import Credentials, Home, new_password

log = logging.getLogger(__name__)

HOST = "host"
ADMIN = "admin"
BUILT_IN = ("pl-tsdircopy", "pl-dircopy", "pl-topologicalcopy")
"""The plugins that are part of Chrysalis, in the order in which clients know their ids (1, 2, 3)."""


@dataclass(frozen=True)
class Shelf:
    """What is set up once on a machine, and what is added to it. All of it is safe to repeat."""

    catalog: Catalog
    home: Home
    unsandboxed: bool = False

    def prepare(self, store: Store, slots: int) -> str:
        """Make what is missing; answers the password of a user that was made now, which is told this once."""
        with self.catalog.transaction() as session:
            registration.add_compute_resource(session, HOST, slots=slots, now=now(), description="This machine.")
            registration.set_slots(session, HOST, slots)
            for name in BUILT_IN:
                self.build_in(session, name)
        return self.add_admin(store)

    def build_in(self, session: Session, name: str) -> None:
        """A plugin that is part of Chrysalis: only rows are copied."""
        if registration.find_plugin(session, name) is None:
            text = resources.files("gateway.embedded").joinpath(f"descriptors/{name}.json").read_text()
            registration.register_plugin(
                session, json.loads(text), compute_resources=[HOST], runtime_kind="builtin", now=now()
            )

    def add_admin(self, store: Store) -> str:
        with self.catalog.reading() as session:
            if accounts.find_by_name(session, ADMIN):
                return ""
        password = new_password()
        accounts.add_user(
            self.catalog,
            store,
            username=ADMIN,
            password=password,
            email="admin@localhost",
            now=now(),
            is_superuser=True,
        )
        return password

    def introduce(self, url: str) -> None:
        """Write down where the server is, with a token for the command line that is the admin's."""
        known = self.home.read_credentials() if self.home.credentials.exists() else None
        if known and self.is_valid(known.token):
            self.home.write_credentials(Credentials(url, known.username, known.token))
            return
        with self.catalog.transaction() as session:
            user = accounts.find_by_name(session, ADMIN)
            token = accounts.add_token(session, user.id, now=now()) if user else ""
        self.home.write_credentials(Credentials(url, ADMIN, token))

    def is_valid(self, token: str) -> bool:
        with self.catalog.reading() as session:
            return accounts.find_by_token(session, token) is not None

    def install(self, source: str) -> int:
        """Install a plugin from a folder, a wheel or a requirement, and register it; answers its id.

        The same version again answers the same id: its program is installed anew where the source has changed.
        Raises Permanent with a sentence if it cannot be installed.
        """
        from gateway.embedded.environments import Environments  # needed only where something is installed

        installed = Environments(self.home.plugins, unsandboxed=self.unsandboxed).install(source)
        place = str(installed.folder)
        with self.catalog.transaction() as session:
            name, version = installed.descriptor["name"], installed.descriptor["version"]
            known: Plugin | None = registration.find_plugin(session, name, version)
            if known is not None:
                registration.move_runtime(session, known.id, kind="environment", place=place)
                return known.id
            return registration.register_plugin(
                session,
                installed.descriptor,
                compute_resources=[HOST],
                runtime_kind="environment",
                runtime_place=place,
                now=now(),
            )


def now() -> datetime:
    return datetime.now(UTC)


def tell_password(password: str) -> None:
    """Print the admin's password, once, to the person who started the server."""
    sys.stdout.write(f"The password of the user {ADMIN!r} (told only now): {password}\n")
    sys.stdout.flush()
