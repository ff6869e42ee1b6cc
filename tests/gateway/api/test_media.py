"""Which form of an answer a client gets."""

from __future__ import annotations

import pytest

from gateway.api.errors import NotAcceptable, NotFound
from gateway.api.media import COLLECTION, HTML, JSON, Media, choose

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", COLLECTION),
        ("*/*", COLLECTION),
        ("application/vnd.collection+json", COLLECTION),
        ("application/json", JSON),
        ("application/json, */*", JSON),
        ("application/json; indent=4", JSON),
        ("application/*", COLLECTION),
        ("text/*", HTML),
        ("TEXT/HTML", HTML),
        (BROWSER, HTML),
        ("application/json, application/vnd.collection+json", COLLECTION),
        ("image/png, */*;q=0.1", COLLECTION),
    ],
)
def test_the_most_specific_range_that_names_a_form_wins(accept: str, media: Media) -> None:
    assert choose(accept) is media


@pytest.mark.parametrize("accept", ["image/png", "text/plain", "nonsense", "application"])
def test_what_no_form_satisfies_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose(accept)


@pytest.mark.parametrize(("name", "media"), [("json", JSON), ("collection+json", COLLECTION), ("api", HTML)])
def test_a_named_format_goes_before_accept(name: str, media: Media) -> None:
    assert choose("image/png", wanted=name) is media


def test_a_format_that_nobody_knows_is_not_found() -> None:
    with pytest.raises(NotFound):
        choose("", wanted="xml")


def test_a_resource_may_offer_json_alone() -> None:
    with pytest.raises(NotAcceptable):
        choose("application/vnd.collection+json", forms=(JSON,))
    assert choose("*/*", forms=(JSON,)) is JSON
