"""The shelf of a new machine."""

from __future__ import annotations

from pathlib import Path

from functions.objects_directory import DirectoryStore
from gateway.catalog.engine import open_catalog
from gateway.catalog.lists import plugins
from gateway.catalog.lists.rows import Window
from gateway.embedded.home import Home
from gateway.embedded.shelf import Shelf

JOINING = [
    ("plugininstances", "string", "--plugininstances", "--plugininstances", "store", ""),
    ("filter", "string", "--filter", "-f", "store", ""),
    ("groupByInstance", "boolean", "--groupByInstance", "-g", "store_true", False),
]
DIR = ("dir", "unextpath", "--dir", "-d", "store", None)


def test_the_built_in_plugins_have_the_ids_that_clients_know(tmp_path: Path) -> None:
    """Source: the seed of servers that clients meet, at the top of cube-api.md."""
    home = Home(tmp_path / "home")
    home.create()
    catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    shelf, store = Shelf(catalog, home), DirectoryStore(tmp_path / "store")
    for _ in range(2):
        shelf.prepare(store, 4)
    with catalog.reading() as session:
        found = [plugins.find_plugin(session, number) for number in range(1, 5)]
        known = [(one.meta.name, one.meta.type, one.runtime_kind) for one in found if one is not None]
        given = {
            number: [
                (one.name, one.type, one.flag, one.short_flag, one.action, one.default)
                for one in plugins.parameters(session, number, Window()).rows
            ]
            for number in (1, 2, 3)
        }
    catalog.close()
    assert known[:3] == [
        ("pl-tsdircopy", "ts", "builtin"),
        ("pl-dircopy", "fs", "builtin"),
        ("pl-topologicalcopy", "ts", "builtin"),
    ]
    assert given == {1: [DIR, *JOINING], 2: [DIR], 3: JOINING}
