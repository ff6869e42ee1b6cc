"""Every signature is the one that botocore makes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.signing import LONGEST_SECONDS, Credentials, Place, attachment, presign
from tests.scale import count

EXAMPLES = count(2000, 200, 25)
SESSION = botocore.session.Session()
NOW = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)

ODD = "é脳😀 +%?#&=;:@!$'()*,[]{}|\\^`~\"<>./\t\n\x01\x7f"
"""Characters that one part of the world or another escapes wrongly."""
keys = st.text(
    st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"])), min_size=1, max_size=40
).filter(
    lambda key: not key.startswith("/")  # botocore drops such a slash: see test_a_key_that_begins_with_a_slash
)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
unsigned = words.filter(lambda name: not name.startswith("X-Amz-"))
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@st.composite
def credentials(draw: st.DrawFn) -> Credentials:
    return Credentials(draw(printable), draw(printable), draw(st.one_of(st.just(""), printable)))


@st.composite
def places(draw: st.DrawFn) -> Place:
    scheme = draw(st.sampled_from(["http", "https"]))
    host = draw(st.sampled_from(["s3.example.org", "store.local:9000", "store.local:80", "store.local:443"]))
    region = draw(st.sampled_from(["us-east-1", "eu-central-2", "garage"]))
    bucket = draw(st.sampled_from(["lake", "a-bucket-1"]))
    return Place(f"{scheme}://{host}", bucket, region, draw(st.booleans()))


def botocore_url(place: Place, who: Credentials, operation: str, parameters: dict[str, Any], seconds: int) -> str:
    client = SESSION.create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        aws_access_key_id=who.access_key,
        aws_secret_access_key=who.secret_key,
        aws_session_token=who.token or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path" if place.path_style else "virtual"}),
    )
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        url: str = client.generate_presigned_url(
            operation, Params={"Bucket": place.bucket, **parameters}, ExpiresIn=seconds
        )
    return url


def meaning(url: str) -> tuple[str, str, dict[str, str]]:
    """What a server sees: the query is sorted before it is signed, and a usual port is not signed."""
    parts = urlsplit(url)
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return (
        f"{parts.scheme}://{parts.netloc.removesuffix(usual)}",
        parts.path,
        dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


def assert_same(
    method: str, operation: str, place: Place, who: Credentials, key: str, parameters: dict[str, Any], **query: str
) -> None:
    named = {name.replace("_", "-"): value for name, value in query.items()}
    ours = presign(method, place, key, who, seconds=600, now=NOW, query=named)
    assert meaning(ours) == meaning(botocore_url(place, who, operation, {"Key": key, **parameters}, 600))


class TestAgainstBotocore:
    """Clients of botocore are slow to make, so one example tries one operation."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(places(), credentials(), keys)
    def test_get(self, place: Place, who: Credentials, key: str) -> None:
        assert_same("GET", "get_object", place, who, key, {})

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(places(), credentials(), keys)
    def test_put(self, place: Place, who: Credentials, key: str) -> None:
        assert_same("PUT", "put_object", place, who, key, {})

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(places(), credentials(), keys, words, st.integers(1, 10_000))
    def test_part(self, place: Place, who: Credentials, key: str, upload: str, number: int) -> None:
        parameters = {"UploadId": upload, "PartNumber": number}
        assert_same("PUT", "upload_part", place, who, key, parameters, uploadId=upload, partNumber=str(number))

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(places(), credentials(), keys, words, words)
    def test_version_and_file_name(self, place: Place, who: Credentials, key: str, version: str, name: str) -> None:
        header = attachment(name)
        parameters = {"VersionId": version, "ResponseContentDisposition": header, "ResponseContentType": "a/b"}
        named = {"response_content_disposition": header, "response_content_type": "a/b", "versionId": version}
        assert_same("GET", "get_object", place, who, key, parameters, **named)

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(places(), credentials(), keys, st.dictionaries(unsigned, words, max_size=4))
    def test_any_query(self, place: Place, who: Credentials, key: str, query: dict[str, str]) -> None:
        """Beneath the operations: names of which one begins with the other are sorted alike."""
        bare = meaning(presign("GET", place, key, who, seconds=600, now=NOW))
        request = AWSRequest("GET", f"{bare[0]}{bare[1]}", params=query)
        request.context["client_region"] = place.region
        theirs = S3SigV4QueryAuth(
            BotoCredentials(who.access_key, who.secret_key, who.token or None), "s3", place.region, expires=600
        )
        with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
            theirs.add_auth(request)
        ours = presign("GET", place, key, who, seconds=600, now=NOW, query=query)
        assert meaning(ours)[2]["X-Amz-Signature"] == meaning(request.url)[2]["X-Amz-Signature"]

    @pytest.mark.parametrize(
        "headers", [{"Content-MD5": "Q2hlY2sgSW50ZWdyaXR5IQ=="}, {"x-amz-checksum-sha256": "AAA="}]
    )
    def test_headers_that_must_be_sent(self, headers: dict[str, str]) -> None:
        place, who = Place("http://store.local:9000", "lake"), Credentials("key", "secret")
        request = AWSRequest("PUT", "http://store.local:9000/lake/a", headers=headers)
        request.context["payload_signing_enabled"] = False
        with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
            S3SigV4QueryAuth(BotoCredentials("key", "secret"), "s3", "us-east-1", expires=600).add_auth(request)
        ours = presign("PUT", place, "a", who, seconds=600, now=NOW, headers=headers)
        assert meaning(ours) == meaning(request.url)


def test_a_key_that_begins_with_a_slash_keeps_it() -> None:
    url = presign("GET", Place("http://store.local", "lake"), "/a", Credentials("key", "secret"), seconds=1)
    assert urlsplit(url).path == "/lake//a"


def test_each_day_and_each_region_has_a_key_of_its_own() -> None:
    who, place = Credentials("key", "secret"), Place("http://store.local", "lake")
    other = Place("http://store.local", "lake", "eu-west-1")
    tomorrow = NOW.replace(month=3, day=1)
    urls = [
        presign("GET", place, "a", who, seconds=1, now=NOW),
        presign("GET", other, "a", who, seconds=1, now=NOW),
        presign("GET", place, "a", who, seconds=1, now=tomorrow),
    ]
    assert len({meaning(url)[2]["X-Amz-Signature"] for url in urls}) == 3


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_SECONDS + 1])
def test_a_url_that_s3_would_refuse_is_not_made(seconds: int) -> None:
    with pytest.raises(ValueError, match="between 1 second"):
        presign("GET", Place("http://store.local", "lake"), "a", Credentials("key", "secret"), seconds=seconds)


@pytest.mark.parametrize("endpoint", ["store.local:9000", "ftp://store.local", "http://", ""])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        presign("GET", Place(endpoint, "lake"), "a", Credentials("key", "secret"), seconds=1)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Credentials("key", "secret-1", "secret-2"))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_file_name_cannot_leave_its_header(name: str) -> None:
    header = attachment(name)
    assert header.isascii() and header.isprintable()
    assert header.count('"') == 2


def test_a_url_takes_microseconds() -> None:
    place, who = Place("http://store.local:9000", "lake"), Credentials("key", "secret")
    presign("GET", place, "a", who, seconds=600)
    begin = time.process_time()
    for number in range(1000):
        presign("GET", place, f"jobs/j1/1/out/series/{number}.dcm", who, seconds=600)
    assert time.process_time() - begin < 0.2, "a thousand URLs must take less than 0.2 s of CPU (botocore: 0.35 s)"
