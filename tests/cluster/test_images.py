"""The images that we ship, really built from their Dockerfiles, as a cluster runs them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import images.__main__ as builder
from tests.cluster import shapes
from tests.cluster.api import Object
from tests.cluster.node import containers
from tests.cluster.node.places import Places
from tests.cluster.room import Room

MOVERS = next(recipe for recipe in builder.RECIPES if recipe.name == "movers")
ANYBODY = 1000670000


@pytest.fixture(scope="module")
def movers(own_node: Places) -> Iterator[str]:
    """The image of the movers, built twice and brought to the node."""
    if shutil.which("buildah") is None or shutil.which("debootstrap") is None:
        pytest.skip("images are built with Debian's buildah and debootstrap, which are missing")
    builder.make_base()
    first, second = builder.build(MOVERS), builder.build(MOVERS)
    assert first == second, "the same sources must give the same image"
    containers.import_image(own_node, builder.OUTPUT / "movers.tar")
    yield MOVERS.tag


def test_a_mover_runs_as_anybody_on_a_read_only_root_and_says_what_is_missing(room: Room, movers: str) -> None:
    security = {**shapes.SECURITY, "runAsUser": ANYBODY, "readOnlyRootFilesystem": True}
    report = [{"name": "CHRYSALIS_TERMINATION", "value": "/dev/termination-log"}]
    stage_in = {"name": "stage-in", "image": movers, "env": report, "securityContext": security}
    room.apply(shapes.job(room.name, "movers", shapes.pod_spec(stage_in)))
    end = room.container_ended(room.pod_of("movers")["metadata"]["name"], "stage-in")
    assert end["exitCode"] == 65
    assert json.loads(end["message"]) == {
        "sentence": "CHRYSALIS_TOKEN is not set; whatever starts the pod has to set it."
    }


def test_the_init_for_plugins_goes_into_a_volume_and_passes_exit_codes_through(room: Room, movers: str) -> None:
    volume = {"name": "init", "emptyDir": {}}
    mounted: list[Object] = [{"name": "init", "mountPath": "/init"}]
    copy = shapes.container(
        "stage-in", "cp", "/usr/bin/catatonit", "/init/catatonit", image=movers, volumeMounts=mounted
    )
    mounted = [{**mounted[0], "readOnly": True}]
    plugin = shapes.container("plugin", "/init/catatonit", "--", "/bin/sh", "-c", "exit 11", volumeMounts=mounted)
    room.apply(shapes.job(room.name, "init", shapes.pod_spec(plugin, init=[copy], volumes=[volume])))
    assert room.container_ended(room.pod_of("init")["metadata"]["name"], "plugin")["exitCode"] == 11


def test_byte_code_is_there_and_needs_no_writing(room: Room, movers: str) -> None:
    script = (
        "import functions.movers.stage_out as m; print(m.__cached__); import os; print(os.path.exists(m.__cached__))"
    )
    one = shapes.container("plugin", "python3", "-c", script, image=movers)
    room.apply(shapes.job(room.name, "compiled", shapes.pod_spec(one)))
    pod = room.ended(room.pod_of("compiled")["metadata"]["name"])["metadata"]["name"]
    path, there = room.api.log(room.name, pod).split()
    assert Path(path).suffix == ".pyc" and there == "True"
