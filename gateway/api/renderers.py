"""A document, or an error, as Collection+JSON, JSON or HTML: pure, and the only place that knows these forms.

Collection+JSON: http://amundsen.com/media-types/collection/format/ as CUBE uses it: a single item is a list of one
without `total` (clients tell item from list by it), `total` and `template` stand beside `items`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from gateway.api.documents import Document, Item
from gateway.api.errors import ApiError
from gateway.api.media import COLLECTION, HTML, Media

Value = dict[str, Any]


def render(document: Document, media: Media) -> bytes:
    if media is COLLECTION:
        return dump(collection(document))
    if media is HTML:
        return html_page(document.href, _html_items(document))
    return dump(plain(document))


def render_error(error: ApiError, href: str, media: Media) -> bytes:
    if media is COLLECTION:
        return dump(collection_error(error, href))
    if media is HTML:
        return html_page(href, f"<p><strong>{error.status}</strong> {escape(error.sentence)}</p>")
    return dump(error.body)


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def collection(document: Document) -> Value:
    body: Value = {
        "version": "1.0",
        "href": document.href,
        "items": [_collection_item(item) for item in document.items],
        "links": _collection_links(document),
    }
    if document.queries:
        body["queries"] = _queries(document)
    if document.template:
        body["template"] = _template(document.template)
    if document.is_list:
        body["total"] = document.count
    return {"collection": body}


def collection_error(error: ApiError, href: str) -> Value:
    message = error.detail if isinstance(error.detail, str) else json.dumps(error.body)
    return {"collection": {"version": "1.0", "href": href, "error": {"message": message}}}


def plain(document: Document) -> Value:
    if document.is_list:
        body: Value = {
            "count": document.count,
            "next": document.next,
            "previous": document.previous,
            "results": [_plain_item(item) for item in document.items],
        }
        if document.links:
            body["collection_links"] = dict(document.links)
    else:
        body = _plain_item(document.items[0])
    if document.queries:
        body["queries"] = _queries(document)
    if document.template:
        body["template"] = _template(document.template)
    return body


def html_page(title: str, content: str) -> bytes:
    """A bare page: what a browser shows of the API. `content` is HTML already."""
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
    return f"{head}<body><h1>{escape(title)}</h1>{content}</body></html>".encode()


def _plain_item(item: Item) -> Value:
    return {"url": item.url, **item.data, **item.links}


def _collection_item(item: Item) -> Value:
    value: Value = {"data": _pairs(item.data), "href": item.url}
    links = [{"rel": rel, "href": href} for rel, href in item.links.items() if href is not None]
    if links:
        value["links"] = links
    return value


def _collection_links(document: Document) -> list[Value]:
    steps = {"next": document.next, "previous": document.previous}
    links: dict[str, str | None] = {**document.links, **steps}
    return [{"rel": rel, "href": href} for rel, href in links.items() if href]


def _queries(document: Document) -> list[Value]:
    return [{"href": query.href, "rel": "search", "data": _blanks(query.names)} for query in document.queries]


def _template(names: Iterable[str]) -> Value:
    return {"data": _blanks(names)}


def _blanks(names: Iterable[str]) -> list[Value]:
    return _pairs(dict.fromkeys(names, ""))


def _pairs(data: Mapping[str, Any]) -> list[Value]:
    return [{"name": name, "value": value} for name, value in data.items()]


def _html_items(document: Document) -> str:
    links: dict[str, str | None] = {**document.links, "next": document.next, "previous": document.previous}
    return _html_table({}, links) + "".join(
        f"<h2>{_anchor(item.url)}</h2>{_html_table(item.data, item.links)}" for item in document.items
    )


def _html_table(data: Mapping[str, Any], links: Mapping[str, str | None]) -> str:
    rows = [f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in data.items()]
    rows += [f"<tr><th>{escape(rel)}</th><td>{_anchor(href)}</td></tr>" for rel, href in links.items() if href]
    return f"<table>{''.join(rows)}</table>"


def _anchor(href: str) -> str:
    return f'<a href="{escape(href)}">{escape(href)}</a>'
