"""OCI image layouts, written by hand: one layer, one archive, any number of names. Equal contents, equal digests."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LAYER = "application/vnd.oci.image.layer.v1.tar"  # not compressed: it never crosses a network
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True)
class Image:
    """A name, and how its container starts. Images of one archive share their files."""

    name: str
    entrypoint: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "65532"
    folder: str = "/"


@dataclass(frozen=True)
class File:
    """One entry of a layer: a file of this machine, or text, or a link."""

    path: str  # in the image, without a leading /
    source: Path | None = None
    text: bytes = b""
    link: str = ""
    mode: int = 0o755


def write(archive: Path, files: Iterable[File], images: Sequence[Image]) -> None:
    """The archive, made beside and renamed: half an archive is never found."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    layer = archive.with_suffix(f".{os.getpid()}.layer")
    scratch = archive.with_suffix(f".{os.getpid()}.part")
    try:
        _write_layer(layer, files)
        _write_archive(scratch, layer, images)
        scratch.rename(archive)
    finally:
        layer.unlink(missing_ok=True)
        scratch.unlink(missing_ok=True)


def folder_files(folder: Path, inside: str) -> list[File]:
    """Every file and link below `folder`, as entries below `inside`."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = f"{inside}/{path.relative_to(folder)}"
        if path.is_symlink():
            found.append(File(name, link=str(path.readlink())))
        elif path.is_file():
            found.append(File(name, source=path, mode=0o755 if os.access(path, os.X_OK) else 0o644))
    return found


def _write_layer(path: Path, files: Iterable[File]) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        seen: set[str] = set()
        for file in sorted(files, key=lambda each: each.path):
            _add_folders(tar, file.path, seen)
            if file.path in seen:
                continue
            seen.add(file.path)
            _add(tar, file)


def _add_folders(tar: tarfile.TarFile, path: str, seen: set[str]) -> None:
    for parent in reversed(Path(path).parents):
        name = str(parent)
        if name != "." and name not in seen:
            seen.add(name)
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(info)


def _add(tar: tarfile.TarFile, file: File) -> None:
    info = tarfile.TarInfo(file.path)
    info.mode = file.mode
    if file.link:
        info.type, info.linkname = tarfile.SYMTYPE, file.link
        tar.addfile(info)
    elif file.source is not None:
        info.size = file.source.stat().st_size
        with open(file.source, "rb") as stream:
            tar.addfile(info, stream)
    else:
        info.size = len(file.text)
        tar.addfile(info, io.BytesIO(file.text))


def _write_archive(path: Path, layer: Path, images: Sequence[Image]) -> None:
    with open(layer, "rb") as stream:
        digest = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    blob = {"mediaType": LAYER, "digest": digest, "size": layer.stat().st_size}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, File(_blob_path(digest), source=layer, mode=0o644))
        manifests = []
        for image in images:
            config = _put(tar, CONFIG, _config(image, digest))
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob]}
            names = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name}
            manifests.append({**_put(tar, MANIFEST, manifest), "annotations": names})
        index = {"schemaVersion": 2, "manifests": manifests}
        _add(tar, File("index.json", text=_json(index), mode=0o644))
        _add(tar, File("oci-layout", text=_json({"imageLayoutVersion": "1.0.0"}), mode=0o644))


def _config(image: Image, layer: str) -> dict[str, Any]:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **image.env}
    run = {
        "User": image.user,
        "Env": [f"{key}={value}" for key, value in sorted(env.items())],
        "Entrypoint": list(image.entrypoint),
        "WorkingDir": image.folder,
    }
    rootfs = {"type": "layers", "diff_ids": [layer]}
    return {"architecture": "amd64", "os": "linux", "config": run, "rootfs": rootfs}


def _put(tar: tarfile.TarFile, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    text = _json(value)
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    _add(tar, File(_blob_path(digest), text=text, mode=0o644))
    return {"mediaType": kind, "digest": digest, "size": len(text)}


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
