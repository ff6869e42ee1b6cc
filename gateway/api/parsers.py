"""The four forms in which clients send data, each as a plain mapping. Pure; files are streamed by `uploads`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from gateway.api.errors import Unreadable, Unsupported

Data = Mapping[str, Any]

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
COLLECTION = "application/vnd.collection+json"


def media_type(header: str) -> str:
    """The media type without its parameters."""
    return header.split(";")[0].strip().lower()


def parse(body: bytes, content_type: str) -> Data:
    """The data of a request that is no multipart. An empty body has none. Raises Unreadable or Unsupported."""
    media = media_type(content_type)
    if media not in (COLLECTION, "application/json", FORM):
        if not body:
            return {}
        raise Unsupported(content_type)
    if media == FORM:
        return parse_form(body)
    if not body.strip() and media == COLLECTION:
        return {}
    value = parse_json(body)
    return parse_template(value) if media == COLLECTION else require_object(value)


def parse_json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"JSON parse error - {error}") from error


def parse_template(value: Any) -> Data:
    """The names and values of `{"template": {"data": [{"name": ..., "value": ...}]}}`."""
    try:
        pairs = value["template"]["data"]
        return {str(pair["name"]): pair["value"] for pair in pairs}
    except (KeyError, TypeError) as error:
        raise Unreadable(
            'Collection+JSON parse error - expected {"template": {"data": [{"name": "...", "value": ...}]}}.'
        ) from error


def parse_form(body: bytes) -> Data:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10_000))
    except ValueError as error:
        raise Unreadable(f"Form parse error - {error}") from error


def require_object(value: Any) -> Data:
    if not isinstance(value, dict):
        raise Unreadable(f"Invalid data. Expected a dictionary, but got {type(value).__name__}.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Out of range float values are not JSON compliant: {name}")
