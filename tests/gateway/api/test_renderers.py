"""A document in its three forms, as whole values: clients look at every part of them."""

from __future__ import annotations

import json

from gateway.api.documents import Document, Item, Query
from gateway.api.errors import Invalid, NotFound
from gateway.api.media import COLLECTION, HTML, JSON
from gateway.api.renderers import collection, collection_error, plain, render, render_error

TAG = Item(
    "http://x/api/v1/tags/1/", {"id": 1, "name": "brain", "color": None}, {"feeds": "http://x/f/", "owner": None}
)
LIST = Document(
    "http://x/api/v1/tags/?limit=1",
    (TAG,),
    count=3,
    next="http://x/api/v1/tags/?limit=1&offset=1",
    links={"feeds": "http://x/api/v1/"},
    queries=(Query("http://x/api/v1/tags/search/", ("id", "name")),),
    template=("name",),
)


def test_a_list_in_collection_json_has_total_and_its_links_come_first() -> None:
    assert collection(LIST) == {
        "collection": {
            "version": "1.0",
            "href": "http://x/api/v1/tags/?limit=1",
            "items": [
                {
                    "data": [
                        {"name": "id", "value": 1},
                        {"name": "name", "value": "brain"},
                        {"name": "color", "value": None},
                    ],
                    "href": "http://x/api/v1/tags/1/",
                    "links": [{"rel": "feeds", "href": "http://x/f/"}],
                }
            ],
            "links": [
                {"rel": "feeds", "href": "http://x/api/v1/"},
                {"rel": "next", "href": "http://x/api/v1/tags/?limit=1&offset=1"},
            ],
            "queries": [
                {
                    "href": "http://x/api/v1/tags/search/",
                    "rel": "search",
                    "data": [{"name": "id", "value": ""}, {"name": "name", "value": ""}],
                }
            ],
            "template": {"data": [{"name": "name", "value": ""}]},
            "total": 3,
        }
    }


def test_a_list_in_json() -> None:
    assert plain(LIST) == {
        "count": 3,
        "next": "http://x/api/v1/tags/?limit=1&offset=1",
        "previous": None,
        "results": [
            {
                "url": "http://x/api/v1/tags/1/",
                "id": 1,
                "name": "brain",
                "color": None,
                "feeds": "http://x/f/",
                "owner": None,
            }
        ],
        "collection_links": {"feeds": "http://x/api/v1/"},
        "queries": [
            {
                "href": "http://x/api/v1/tags/search/",
                "rel": "search",
                "data": [{"name": "id", "value": ""}, {"name": "name", "value": ""}],
            }
        ],
        "template": {"data": [{"name": "name", "value": ""}]},
    }


def test_an_item_is_a_collection_of_one_without_total() -> None:
    value = collection(Document("http://x/api/v1/tags/1/", (TAG,)))["collection"]
    assert "total" not in value
    assert len(value["items"]) == 1
    assert value["links"] == []


def test_an_item_in_json_is_flat_and_carries_its_template() -> None:
    value = plain(Document("http://x/api/v1/tags/1/", (TAG,), template=("name", "color")))
    assert list(value) == ["url", "id", "name", "color", "feeds", "owner", "template"]


def test_a_bare_list_says_nothing_of_links_queries_or_template() -> None:
    bare = Document("http://x/", (), count=0)
    assert plain(bare) == {"count": 0, "next": None, "previous": None, "results": []}
    assert collection(bare) == {
        "collection": {"version": "1.0", "href": "http://x/", "items": [], "links": [], "total": 0}
    }


def test_faults_are_a_json_string_inside_the_message() -> None:
    error = Invalid(name="This field is required.")
    message = collection_error(error, "http://x/")["collection"]["error"]["message"]
    assert json.loads(message) == {"name": ["This field is required."]}


def test_a_sentence_is_the_message_itself() -> None:
    assert collection_error(NotFound.of("Feed"), "http://x/1/") == {
        "collection": {
            "version": "1.0",
            "href": "http://x/1/",
            "error": {"message": "No Feed matches the given query."},
        }
    }
    assert json.loads(render_error(NotFound(), "http://x/", JSON)) == {"detail": "Not found."}


def test_text_keeps_its_letters() -> None:
    body = render(Document("http://x/", (Item("http://x/1/", {"name": "Größe"}),)), COLLECTION)
    assert "Größe".encode() in body


def test_nothing_in_a_page_of_html_can_act() -> None:
    evil = Item("http://x/<script>", {"<b>": "<script>alert(1)</script>"}, {"owner": 'http://x/"onclick="'})
    page = render(Document('http://x/?q="><script>', (evil,), count=1), HTML).decode()
    assert "<script" not in page
    assert '"onclick' not in page
    assert "<script" not in render_error(Invalid(name="<script>"), "http://x/<script>", HTML).decode()
