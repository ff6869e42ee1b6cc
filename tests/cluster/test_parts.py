"""The machinery's own parts, each without a cluster."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from tests.cluster.node import builds, manifests
from tests.cluster.node.dns import answer
from tests.cluster.node.layouts import File, Image, write

SERVICES: dict[tuple[str, str], list[str] | str] = {
    ("shop", "web"): ["10.96.0.7"],
    ("shop", "db"): ["10.244.0.3", "10.244.0.4"],
    ("shop", "alias"): "web.shop.svc.cluster.local",
    ("shop", "loop"): "loop.shop.svc.cluster.local",
    ("shop", "outside"): "example.org",
    ("shop", "empty"): [],
}


def ask(name: str, kind: str = "A") -> tuple[int, list[str]]:
    reply = answer(DNSRecord.question(name, kind), lambda namespace, service: SERVICES.get((namespace, service)))
    return reply.header.rcode, [str(each.rdata) for each in reply.rr if each.rtype == QTYPE.A]


@pytest.mark.parametrize(
    ("name", "code", "addresses"),
    [
        ("web.shop.svc.cluster.local", RCODE.NOERROR, ["10.96.0.7"]),
        ("WEB.shop.svc.cluster.local.", RCODE.NOERROR, ["10.96.0.7"]),
        ("db.shop.svc.cluster.local", RCODE.NOERROR, ["10.244.0.3", "10.244.0.4"]),
        ("alias.shop.svc.cluster.local", RCODE.NOERROR, ["10.96.0.7"]),
        ("empty.shop.svc.cluster.local", RCODE.NOERROR, []),
        ("nobody.shop.svc.cluster.local", RCODE.NXDOMAIN, []),
        ("web.shop.svc.cluster.local.shop.svc.cluster.local", RCODE.NXDOMAIN, []),
        ("web.shop", RCODE.NXDOMAIN, []),
        ("example.org", RCODE.NXDOMAIN, []),
        ("outside.shop.svc.cluster.local", RCODE.NOERROR, []),
    ],
)
def test_names_of_services_are_answered_and_others_do_not_exist(name: str, code: int, addresses: list[str]) -> None:
    assert ask(name) == (code, addresses)


def test_a_name_that_stands_for_itself_ends() -> None:
    assert ask("loop.shop.svc.cluster.local")[1] == []


def test_another_type_finds_the_name_and_no_address() -> None:
    assert ask("web.shop.svc.cluster.local", "AAAA") == (RCODE.NOERROR, [])


def test_an_image_written_twice_is_the_same(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    images = [Image("dev.local/one:1", ["/bin/one"]), Image("dev.local/two:1", ["/bin/two"], {"B": "2", "A": "1"})]
    digests = []
    for number in range(2):
        program.touch()  # a new time of change is no change
        archive = tmp_path / f"{number}.tar"
        write(archive, [File("bin/one", program), File("bin/two", link="one"), File("etc/x", text=b"x")], images)
        digests.append(hashlib.sha256(archive.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    assert {path.name for path in tmp_path.iterdir()} == {"program", "0.tar", "1.tar"}


def test_every_digest_of_an_image_is_true(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    write(archive, [File("bin/one", text=b"one")], [Image("dev.local/one:1", ["/bin/one"])])
    with tarfile.open(archive) as tar:
        blobs = {name: _read(tar, name) for name in tar.getnames() if name.startswith("blobs/")}
        index = json.loads(_read(tar, "index.json"))
    for name, blob in blobs.items():
        assert hashlib.sha256(blob).hexdigest() == name.rpartition("/")[2]
    (manifest,) = index["manifests"]
    assert manifest["annotations"]["io.containerd.image.name"] == "dev.local/one:1"
    layers = json.loads(blobs["blobs/" + manifest["digest"].replace(":", "/")])["layers"]
    with tarfile.open(fileobj=io.BytesIO(blobs["blobs/" + layers[0]["digest"].replace(":", "/")])) as layer:
        assert layer.getnames() == ["bin", "bin/one"]


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def test_published_manifests_are_made_fit() -> None:
    container: dict[str, object] = {
        "name": "c",
        "image": "ko://knative.dev/serving/cmd/controller",
        "resources": {"limits": {"cpu": "1"}},
    }
    container["env"] = [{"name": "QUEUE", "value": "ko://knative.dev/serving/cmd/queue"}]
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "controller"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}},
    }
    others = [{"kind": kind, "metadata": {"name": "x"}} for kind in manifests.UNWANTED_KINDS]
    unwanted = {"kind": "ServiceAccount", "metadata": {"name": "job-sink"}}
    (fitted,) = manifests.fit([deployment, *others, unwanted], builds.SERVING, without=["job-sink"])
    (made,) = fitted["spec"]["template"]["spec"]["containers"]
    assert fitted["spec"]["replicas"] == 1
    assert made["image"] == "dev.local/serving/controller:1"
    assert made["env"][0]["value"] == "dev.local/serving/queue:1"
    assert made["resources"] == {"limits": {}, "requests": {"cpu": "10m"}}


@pytest.mark.parametrize("module", builds.ALL, ids=lambda module: module.name)
def test_programs_are_pinned_as_tools(module: builds.Module) -> None:
    pinned = (module.folder / "go.mod").read_text()
    for program in module.programs:
        assert f"{module.root}/{program}\n" in pinned
    assert (module.folder / "go.sum").exists()
