"""publish's endpoints for pods: URLs to upload outputs with, and the commit of a manifest.

`functions/movers/README.md` documents the protocol. Only the pod that holds the claim to an index (`started/<index>`)
uploads and commits for it: the sidecar of a second pod, whose plugin never ran, has nothing to say.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flask import Flask, Response, jsonify

from functions import pods, records
from functions.errors import Failure, Permanent
from functions.objects import UrlStore
from functions.pods import Caller, Clock, Door, Emit, Garbled, Keys, Late
from functions.records import Records

log = logging.getLogger(__name__)

LARGEST_BATCH, LARGEST_RUN = 1000, 100
"""Files of one call for URLs, and URLs of parts in one answer."""
MOST_PARTS = 10_000
LARGEST_OBJECT = 5 * 1024**4
LONGEST_KEY = 1024
"""Limits of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; key in bytes of UTF-8."""
MEBIBYTE = 1024 * 1024
URL_SECONDS = 3600
INDEX = re.compile(r"(-[1-9][0-9]*)?")
UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """A file that a pod wants to upload; `path` relative to its outputs, size in bytes."""

    path: str
    size: int


def check_path(path: str) -> str:
    """The same path. Raises Permanent if it is not a plain relative path that an object may have."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or "," in path:
        raise Permanent(f"The output {path!r} does not have a plain relative path; rename it in the plugin.")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Permanent(f"The name of the output {path!r} is not UTF-8; rename it in the plugin.") from error
    return path


def check_key(key: str, prefix: str) -> str:
    """The same key. Raises Garbled if it lies outside of what the caller's token opens."""
    folder, slash, path = key.removeprefix(prefix).partition("/")
    if not key.startswith(prefix) or not slash or not INDEX.fullmatch(folder):
        raise Garbled("The key does not belong to this attempt.")
    check_path(path)
    return key


def place_output(prefix: str, path: str) -> str:
    """The key of an output. Raises Permanent if no store takes it."""
    key = prefix + check_path(path)
    if len(key.encode()) > LONGEST_KEY:
        room = LONGEST_KEY - len(prefix.encode())
        raise Permanent(f"The path of the output {path!r} is longer than {room} bytes; shorten it in the plugin.")
    return key


def plan_parts(size: int, part_bytes: int) -> int:
    """Bytes of each part: the store's wish, or more where the number of parts would pass the limit."""
    if size > LARGEST_OBJECT:
        raise Permanent(f"An output of {size} bytes is larger than any store takes ({LARGEST_OBJECT} bytes).")
    least = -(-size // MOST_PARTS)
    return part_bytes if least <= part_bytes else -(-least // MEBIBYTE) * MEBIBYTE


def read_files(body: Mapping[str, Any]) -> list[Asked]:
    files = body.get("files")
    if not isinstance(files, list) or len(files) > LARGEST_BATCH:
        raise Garbled(f"'files' must be a list of at most {LARGEST_BATCH}.")
    if not all(isinstance(file, dict) for file in files):
        raise Garbled("Each of 'files' must be a JSON object.")
    return [Asked(pods.read_text(file, "path"), pods.read_number(file, "size")) for file in files]


def read_uid(body: Mapping[str, Any]) -> str:
    uid = pods.read_text(body, "uid")
    if not UID.fullmatch(uid):
        raise Garbled("'uid' must be letters, digits and hyphens.")
    return uid


@dataclass(frozen=True)
class Manifest:
    """What an `outputs` record points at: SHA-256 of the NDJSON, its lines, and the bytes of all outputs together."""

    key: str
    digest: str
    count: int
    bytes: int

    @classmethod
    def parse(cls, value: object, key: str) -> Manifest:
        if not isinstance(value, dict):
            raise Garbled("'manifest' must be a JSON object.")
        if pods.read_text(value, "key") != key:
            raise Garbled("The key of the manifest is not the one that was given out.")
        digest = pods.read_text(value, "digest")
        if not DIGEST.fullmatch(digest):
            raise Garbled("The digest of the manifest must be a SHA-256 in hex.")
        return cls(key, digest, pods.read_number(value, "count"), pods.read_number(value, "bytes"))


def settle(held: Mapping[str, Any], uid: str, manifest: Manifest) -> None:
    """Raises Late unless the record that is there now says what this pod has just said."""
    if pods.is_closed(held):
        raise Late("The outputs of this attempt are closed: it has been given up.")
    if held.get("uid") != uid:
        raise Late("Another pod has committed the outputs of this index.")
    if held["manifest"] != asdict(manifest):
        raise Late("This pod has committed another manifest before.")


@dataclass(frozen=True)
class Delivery:
    """What the endpoints of publish do, without HTTP."""

    store: UrlStore
    records: Records
    emit: Emit
    clock: Clock
    seconds: int = URL_SECONDS

    def check_claim(self, caller: Caller, index: int, uid: str) -> None:
        """Raises Late unless this pod may speak for the index, and the index still takes outputs."""
        held = self.records.find(caller.job, records.started_name(caller.attempt, index))
        if held is None or held.get("uid") != uid:
            raise Late("This pod has no claim to the index: its plugin was never told to start.")
        name = records.outputs_name(caller.attempt, index)
        outputs = self.records.find(caller.job, name) if caller.listing.has(name) else None
        if outputs is not None and pods.is_closed(outputs):
            raise Late("The outputs of this attempt are closed: it has been given up.")

    def offer(self, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
        index, uid, files = pods.read_number(body, "index"), read_uid(body), read_files(body)
        self.check_claim(caller, index, uid)
        if body.get("first"):
            self.emit("job.uploading", job=caller.job, attempt=caller.attempt, index=index)
        prefix = records.output_prefix(caller.job, caller.attempt, index)
        return {
            "files": [self.offer_file(file, place_output(prefix, file.path)) for file in files],
            "manifest": self.offer_manifest(caller, index, uid),
            "seconds": self.seconds,
        }

    def offer_file(self, file: Asked, key: str) -> dict[str, Any]:
        if file.size <= self.store.part_bytes:
            return {"path": file.path, "key": key, "url": self.sign(key)}
        part_bytes = plan_parts(file.size, self.store.part_bytes)
        upload = self.store.begin_parts(key)
        count = min(LARGEST_RUN, -(-file.size // part_bytes))
        urls = self.sign_parts(key, upload, 1, count)
        return {"path": file.path, "key": key, "upload": upload, "part_bytes": part_bytes, "urls": urls}

    def offer_manifest(self, caller: Caller, index: int, uid: str) -> dict[str, Any]:
        key = records.manifest_key(caller.job, caller.attempt, index, uid)
        return {"key": key, "url": self.sign(key)}

    def sign(self, key: str) -> str:
        return self.store.put_url(key, audience="pods", seconds=self.seconds)

    def sign_parts(self, key: str, upload: str, first: int, count: int) -> list[str]:
        numbers = range(first, first + count)
        return [self.store.part_url(key, upload, n, audience="pods", seconds=self.seconds) for n in numbers]

    def offer_parts(self, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
        key, upload = self.read_upload(caller, body)
        first = pods.read_number(body, "from", least=1)
        count = min(pods.read_number(body, "count", least=1), LARGEST_RUN, MOST_PARTS + 1 - first)
        return {"urls": self.sign_parts(key, upload, first, count)}

    def finish(self, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
        key, upload = self.read_upload(caller, body)
        etags = body.get("etags")
        if not isinstance(etags, list) or not etags or not all(isinstance(etag, str) and etag for etag in etags):
            raise Garbled("'etags' must be a list of texts.")
        return {"etag": self.store.finish_parts(key, upload, etags).etag}

    def read_upload(self, caller: Caller, body: Mapping[str, Any]) -> tuple[str, str]:
        prefix = records.attempt_prefix(caller.job, caller.attempt)
        return check_key(pods.read_text(body, "key"), prefix), pods.read_text(body, "upload")

    def renew_manifest(self, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.offer_manifest(caller, pods.read_number(body, "index"), read_uid(body))

    def commit(self, caller: Caller, body: Mapping[str, Any]) -> Callable[[], None]:
        """Write the `outputs` record; answers what remains to be done after the mover has its answer (design 3.8)."""
        index, uid = pods.read_number(body, "index"), read_uid(body)
        key = records.manifest_key(caller.job, caller.attempt, index, uid)
        manifest = Manifest.parse(body.get("manifest"), key)
        self.check_claim(caller, index, uid)
        value = {"uid": uid, "manifest": asdict(manifest), "at": self.clock().isoformat()}
        if isinstance(skipped := body.get("skipped"), dict) and skipped:
            value["skipped"] = skipped
        name = records.outputs_name(caller.attempt, index)
        settle(self.records.create(caller.job, name, value), uid, manifest)
        return lambda: self.tell_committed(caller, index, manifest)

    def tell_committed(self, caller: Caller, index: int, manifest: Manifest) -> None:
        details = {"manifest": manifest.key, "count": manifest.count, "digest": manifest.digest}
        try:
            self.emit("outputs.committed", job=caller.job, attempt=caller.attempt, index=index, **details)
        except Failure as failure:  # the record is there, so the sweep tells it
            told = {"action": "outputs.untold", "job": caller.job}
            log.warning("A commit could not be told: %s", failure, extra=told)


def create_pods_app(
    store: UrlStore,
    store_records: Records,
    keys: Keys,
    emit: Emit,
    clock: Clock = pods.utc_now,
    *,
    tenant: str = "",
    seconds: int = URL_SECONDS,
) -> Flask:
    """The WSGI application that stage-out talks to. `seconds` is how long the URLs work that it gives out."""
    app = pods.make_app(__name__)
    door = Door(store_records, keys, tenant)
    delivery = Delivery(store, store_records, emit, clock, seconds)
    answers: Sequence[tuple[str, Callable[[Caller, Mapping[str, Any]], dict[str, Any]]]] = (
        ("/uploads", delivery.offer),
        ("/parts", delivery.offer_parts),
        ("/uploads/finish", delivery.finish),
        ("/manifest", delivery.renew_manifest),
    )
    for rule, answer in answers:
        app.add_url_rule(rule, rule, expose(door, answer), methods=["POST"])

    @app.post("/outputs")
    def outputs() -> Response:
        tell = delivery.commit(door.admit(), pods.read_body())
        response = jsonify({})
        response.call_on_close(tell)
        return response

    return app


def expose(door: Door, answer: Callable[[Caller, Mapping[str, Any]], dict[str, Any]]) -> Callable[[], Response]:
    return lambda: jsonify(answer(door.admit(), pods.read_body()))
