"""S3Store: an ObjectStore in a bucket of any server that speaks S3, or in one prefix of it.

boto3 makes the control calls (list, delete, parts). obstore carries the bytes of objects and of records: it takes a
sixth of the CPU. It cannot name every key (`a//b`, `./a`, `a/`), so boto3 carries those. Neither is imported before it
is used. What both report is translated once, by `s3_faults.py`.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, BinaryIO

from functions import key_names
from functions.errors import Failure, Permanent
from functions.objects import Audience, Body, ObjectInfo, Page
from functions.s3_faults import failure_of, trouble
from functions.signing import Credentials, Place, attachment, presign
from functions.streams import Count, parts_of, read_fully

CONNECT_SECONDS, READ_SECONDS, RETRIES = 5, 60, 2
"""Few tries: whoever called tries again too, with a longer breath."""
CHUNK = 16 << 20
"""Bytes of a part that this process sends itself: 10,000 of them (S3's limit) are 160 GB."""
PARALLEL = 4
PLAIN = re.compile(r"(?!\.{1,2}(?:/|$))[\w .+,=@()~!&;:'-]+(?:/(?!\.{1,2}(?:/|$))[\w .+,=@()~!&;:'-]+)*")
"""Keys that obstore names as they are."""
TOKEN = "\0"
"""Begins a `Page.after` that is not a key but the server's word for where its next page begins."""
MAKING = threading.Lock()
LAST = "\U0010ffff"
"""The last character in the order of UTF-8: what follows `folder + LAST` is behind the folder."""


class S3Store:
    """Objects in `bucket` below `prefix`. Three endpoints, since the host is part of what is signed.

    Without `access_key` boto3 looks for credentials where it always does (environment, files, role of the machine).
    """

    part_bytes = 64 << 20

    def __init__(
        self,
        *,
        bucket: str,
        endpoint: str,
        access_key: str = "",
        secret_key: str = "",
        session_token: str = "",
        region: str = "us-east-1",
        prefix: str = "",
        pod_endpoint: str = "",
        browser_endpoint: str = "",
        path_style: bool = True,
        name: str = "",
    ) -> None:
        self.bucket, self.region, self.path_style = bucket, region, path_style
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self.name = name or f"bucket {bucket!r} at {endpoint}"
        self.endpoint = endpoint
        ends: dict[Audience, str] = {"functions": endpoint, "pods": pod_endpoint, "browsers": browser_endpoint}
        self._places = {who: Place(end or endpoint, bucket, region, path_style) for who, end in ends.items()}
        self._static = Credentials(access_key, secret_key, session_token) if access_key else None

    # --- ObjectStore ---

    def head(self, key: str) -> ObjectInfo:
        with self._translated(key):
            answer = self._client.head_object(**self._named(key))
            size = int(answer["ContentLength"])
            return ObjectInfo(key, size, bare(answer["ETag"]), known(answer.get("VersionId")), answer["LastModified"])

    def get(self, key: str, *, start: int = 0, stop: int | None = None) -> Body:
        if stop is not None and stop <= start:
            return Body(self.head(key), iter(()))
        with self._translated(key):
            body = self._get(key, start, stop)
        if body is None:  # the range begins behind the end
            return Body(self.head(key), iter(()))
        return Body(body.info, self._told(key, body.chunks))

    def put(self, key: str, body: bytes | BinaryIO) -> ObjectInfo:
        with self._translated(key):
            if isinstance(body, bytes):
                return self._put(key, body)
            first = read_fully(body, CHUNK)
            if len(first) < CHUNK:
                return self._put(key, first)
            return self._put_stream(key, chain([first], parts_of(body, CHUNK)))

    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        with self._translated(key):
            try:
                return self._put(key, body, create=True)
            except Exception as error:
                if trouble(error)[1] == 412:
                    return None
                raise

    def delete(self, key: str) -> None:
        with self._translated(key):
            self._client.delete_object(**self._named(key))

    def list(self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False) -> Page:
        """In the server's order: S3's is that of UTF-8, SeaweedFS's goes folder by folder.

        So the next page is asked for by the server's own token; a key in its place may skip objects there.
        """
        asked: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self.prefix + prefix, "MaxKeys": limit}
        if folders:
            asked["Delimiter"] = "/"
        if after.startswith(TOKEN):
            asked["ContinuationToken"] = after.removeprefix(TOKEN)
        elif after:
            behind = after + LAST if folders and is_folder(after, prefix) else after
            asked["StartAfter"] = self.prefix + behind
        with self._translated(prefix):
            answer = self._client.list_objects_v2(**asked)
        following = TOKEN + answer["NextContinuationToken"] if answer["IsTruncated"] else None
        if following == after:
            raise Permanent(f"The {self.name} lists one page of {prefix!r} again and again. Look for an odd key there.")
        found = [row["Prefix"].removeprefix(self.prefix) for row in answer.get("CommonPrefixes", ())]
        return Page(
            tuple(map(self._info, answer.get("Contents", ()))),
            tuple(folder for folder in found if folder != after),
            following,
        )

    # --- UrlStore ---

    def get_url(
        self, key: str, *, audience: Audience, seconds: int = 3600, version: str = "", filename: str = ""
    ) -> str:
        query = {"versionId": version} if version else {}
        if filename:
            query["response-content-disposition"] = attachment(filename)
        return self._url("GET", key, audience, seconds, query)

    def put_url(self, key: str, *, audience: Audience, seconds: int = 3600) -> str:
        return self._url("PUT", key, audience, seconds, {})

    def begin_parts(self, key: str) -> str:
        """The id is the store's, and a word that the object will carry: by it `finish_parts` knows its own work."""
        word = secrets.token_hex(8)
        with self._translated(key):
            answer = self._client.create_multipart_upload(**self._named(key), Metadata={"chrysalis-upload": word})
            return f"{word}.{answer['UploadId']}"

    def part_url(self, key: str, upload: str, number: int, *, audience: Audience, seconds: int = 3600) -> str:
        query = {"partNumber": str(number), "uploadId": upload.partition(".")[2]}
        return self._url("PUT", key, audience, seconds, query)

    def finish_parts(self, key: str, upload: str, etags: Sequence[str]) -> ObjectInfo:
        word, _, identity = upload.partition(".")
        parts = [{"PartNumber": number, "ETag": f'"{bare(etag)}"'} for number, etag in enumerate(etags, 1)]
        with self._translated(key):
            try:
                self._client.complete_multipart_upload(
                    **self._named(key), UploadId=identity, MultipartUpload={"Parts": parts}
                )
            except Exception as error:
                if trouble(error)[0] != "NoSuchUpload" or not self._carries(key, word):
                    raise
            return self.head(key)

    def abort_parts(self, key: str, upload: str) -> None:
        with self._translated(key):
            try:
                self._client.abort_multipart_upload(**self._named(key), UploadId=upload.partition(".")[2])
            except Exception as error:
                if trouble(error)[1] != 404:
                    raise

    def _carries(self, key: str, word: str) -> bool:
        """Did the upload end with this object, though nobody heard the answer?"""
        try:
            metadata = self._client.head_object(**self._named(key))["Metadata"]
        except Exception as error:
            if trouble(error)[1] == 404:
                return False
            raise
        return bool(metadata.get("chrysalis-upload") == word)

    # --- bytes ---

    def _get(self, key: str, start: int, stop: int | None) -> Body | None:
        try:
            if PLAIN.fullmatch(self._full(key)):
                return self._get_plain(key, start, stop)
            span = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if start or stop is not None else {}
            answer = self._client.get_object(**self._named(key), **span)
        except Exception as error:
            if trouble(error)[1] == 416:
                return None
            raise
        size = int(answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"])
        version = known(answer.get("VersionId"))
        info = ObjectInfo(key, size, bare(answer["ETag"]), version, answer["LastModified"])
        return Body(info, answer["Body"].iter_chunks(1 << 20))

    def _get_plain(self, key: str, start: int, stop: int | None) -> Body:
        import obstore

        options: Any = {}
        if start or stop is not None:
            options["range"] = {"offset": start} if stop is None else (start, stop)
        answer = obstore.get(self._bulk, self.prefix + key, options=options)
        meta = answer.meta
        version = known(meta["version"])
        info = ObjectInfo(key, meta["size"], bare(meta["e_tag"] or ""), version, meta["last_modified"])
        return Body(info, map(bytes, answer.stream(min_chunk_size=1 << 20)))

    def _told(self, key: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """A connection may break while bytes flow."""
        with self._translated(key):
            yield from chunks

    def _put(self, key: str, body: bytes, *, create: bool = False) -> ObjectInfo:
        if PLAIN.fullmatch(self._full(key)):
            import obstore

            put = obstore.put(
                self._bulk, self.prefix + key, body, mode="create" if create else "overwrite", use_multipart=False
            )
            return ObjectInfo(key, len(body), bare(put["e_tag"] or ""), known(put["version"]))
        only_new = {"IfNoneMatch": "*"} if create else {}
        answer = self._client.put_object(**self._named(key), Body=body, **only_new)
        return ObjectInfo(key, len(body), bare(answer["ETag"]), known(answer.get("VersionId")))

    def _put_stream(self, key: str, parts: Iterator[bytes]) -> ObjectInfo:
        if not PLAIN.fullmatch(self._full(key)):
            return self._put_parts(key, parts)
        import obstore

        count = Count()
        put = obstore.put(self._bulk, self.prefix + key, count.over(parts), chunk_size=CHUNK, max_concurrency=PARALLEL)
        return ObjectInfo(key, count.total, bare(put["e_tag"] or ""), known(put["version"]))

    def _put_parts(self, key: str, parts: Iterator[bytes]) -> ObjectInfo:
        upload, etags = self.begin_parts(key), []
        try:
            for number, part in enumerate(parts, 1):
                identity = upload.partition(".")[2]
                answer = self._client.upload_part(**self._named(key), UploadId=identity, PartNumber=number, Body=part)
                etags.append(answer["ETag"])
            return self.finish_parts(key, upload, etags)
        except BaseException:
            self.abort_parts(key, upload)
            raise

    # --- names, clients ---

    def _full(self, key: str) -> str:
        """The key as the server knows it."""
        key_names.check(self.prefix + key if key else "")
        return self.prefix + key

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._full(key)}

    def _info(self, row: dict[str, Any]) -> ObjectInfo:
        return ObjectInfo(
            row["Key"].removeprefix(self.prefix), int(row["Size"]), bare(row["ETag"]), "", row["LastModified"]
        )

    def _url(self, method: str, key: str, audience: Audience, seconds: int, query: dict[str, str]) -> str:
        return presign(
            method, self._places[audience], self._full(key), self._credentials(), seconds=seconds, query=query
        )

    def _credentials(self) -> Credentials:
        if self._static:
            return self._static
        found = session().get_credentials()
        if found is None:
            raise Permanent(f"There are no credentials for the {self.name}. Set its access key and secret key.")
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    @cached_property
    def _client(self) -> Any:
        return client(self.endpoint, self.region, self.path_style, self._static)

    @cached_property
    def _bulk(self) -> Any:
        from obstore.store import S3Store as Bulk

        scheme, host, path = self._places["functions"].base
        return Bulk(
            self.bucket,
            endpoint=self.endpoint if self.path_style else f"{scheme}://{host}{path.rstrip('/')}",
            region=self.region,
            virtual_hosted_style_request=not self.path_style,
            credential_provider=self._provide,
            client_options={
                "allow_http": True,
                "connect_timeout": f"{CONNECT_SECONDS}s",
                "timeout": "1h",
                "read_timeout": f"{READ_SECONDS}s",
            },
            retry_config={"max_retries": RETRIES},
        )

    def _provide(self) -> Any:
        from datetime import UTC, datetime, timedelta

        keys = self._credentials()
        until = None if self._static else datetime.now(UTC) + timedelta(minutes=5)  # boto3 renews them; ask it again
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token or None,
            "expires_at": until,
        }

    # --- errors ---

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except Failure:
            raise
        except Exception as error:
            failure = failure_of(error, store=self.name, key=key)
            if failure is None:
                raise
            raise failure from error


@lru_cache(maxsize=1)
def session() -> Any:
    import boto3

    return boto3.session.Session()


@lru_cache(maxsize=64)
def client(endpoint: str, region: str, path_style: bool, keys: Credentials | None) -> Any:
    """boto3's client, one for all stores of a server: to make it costs as much as many requests."""
    from botocore.config import Config

    given = {}
    if keys:
        given = {
            "aws_access_key_id": keys.access_key,
            "aws_secret_access_key": keys.secret_key,
            "aws_session_token": keys.token or None,
        }
    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": RETRIES + 1},
        max_pool_connections=64,
        s3={"addressing_style": "path" if path_style else "virtual"},
        request_checksum_calculation="when_required",  # many servers do not know the newer checksums
        response_checksum_validation="when_required",
    )
    with MAKING:  # sessions are not safe for threads, clients are
        return session().client("s3", endpoint_url=endpoint, region_name=region, config=config, **given)


def bare(etag: str) -> str:
    return etag.strip('"')


def known(version: str | None) -> str:
    """Servers say "null" for an object that was stored before versioning began."""
    return "" if version in (None, "null") else version


def is_folder(after: str, prefix: str) -> bool:
    """Is `after` one of the folders that a listing of `prefix` shows?"""
    rest = after.removeprefix(prefix)
    return after.startswith(prefix) and rest.find("/") == len(rest) - 1 >= 0
