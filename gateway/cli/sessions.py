"""Who asks: the client that commands share, and the name of its user."""

from __future__ import annotations

import os

from gateway.cli import credentials
from gateway.cli.client import Client
from gateway.cli.faults import Fault


def connect() -> Client:
    return Client(credentials.find(os.environ))


def whoami(client: Client) -> str:
    """The user of the token: from the credentials, else from the server's link to the user."""
    if client.credentials.username:
        return client.credentials.username
    link = str(client.get("")["collection_links"].get("user", ""))
    if not link:
        raise Fault("The server does not know you: set CHRYSALIS_TOKEN, or use the home folder of `chrysalis serve`.")
    return str(client.get(f"users/{link.rstrip('/').rpartition('/')[2]}/")["username"])
