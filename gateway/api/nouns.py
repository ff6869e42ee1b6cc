"""All resources, noun by noun."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.api import (
    admin,
    chrisinstance,
    computeresources,
    deadletters,
    feeds,
    files,
    folders,
    instances,
    metas,
    parameters,
    plugins,
    progress,
    splits,
    tokens,
    userfiles,
    users,
)
from gateway.api.calls import ApiSettings
from gateway.api.resources import Resource

NOUNS = (
    tokens,
    chrisinstance,
    feeds,
    computeresources,
    metas,
    plugins,
    instances,
    parameters,
    splits,
    progress,
    userfiles,
    folders,
    files,
    admin,
    deadletters,
)


def resources(settings: ApiSettings) -> Iterator[Resource]:
    """Every resource that a server with these settings offers."""
    yield from users.resources(sign_up=settings.sign_up)
    for noun in NOUNS:
        yield from noun.RESOURCES
