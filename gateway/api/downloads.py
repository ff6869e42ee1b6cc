"""A download: the bytes of a file, or a range of them, from the store to the client, a chunk at a time."""

from __future__ import annotations

import mimetypes

from flask import Response
from werkzeug.http import is_resource_modified, quote_etag

from gateway.api.calls import Call
from gateway.api.errors import ApiError
from gateway.api.ranges import Span, Unsatisfiable, disposition, read_range
from gateway.catalog.tree import File


def send(call: Call, file: File) -> Response:
    """The bytes that were asked for: 200, 206 for a range, 304 if the client has them, 416 if there are none there."""
    tag = quote_etag(file.etag)
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Disposition": disposition(file.name)}
    if not is_resource_modified(call.request.environ, etag=file.etag, ignore_if_range=True):
        return Response(status=304, headers=headers)
    try:
        span = wanted(call, file, tag)
    except Unsatisfiable:
        return Response(status=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
    return answer(call, file, span, headers)


def wanted(call: Call, file: File, tag: str) -> Span | None:
    """The range that was asked for. With `If-Range`, only if the file is still the same one."""
    condition = call.request.headers.get("If-Range", tag).strip()
    return read_range(call.request.headers.get("Range", ""), file.size) if condition == tag else None


def answer(call: Call, file: File, span: Span | None, headers: dict[str, str]) -> Response:
    body = call.server.store.get(file.key, start=span.start if span else 0, stop=span.stop if span else None)
    if body.info.size != file.size:
        raise ApiError("The bytes of this file were changed in the store behind its back. Tell your administrator.")
    headers["Content-Length"] = str(span.length if span else file.size)
    if span:
        headers["Content-Range"] = span.content_range
    media = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Response(body.chunks, 206 if span else 200, headers, content_type=media, direct_passthrough=True)
