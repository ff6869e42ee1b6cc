"""Which store a machine works on, from its settings; no store is used before it has passed the probe (design 3.3)."""

from __future__ import annotations

from pathlib import Path

from functions.objects import Store
from functions.objects_directory import DirectoryStore
from functions.probe import probe
from functions.settings import S3Settings


def open_store(s3: S3Settings | None, folder: Path) -> Store:
    """The S3 store of the settings, else plain files in `folder`. Raises Permanent if it does not keep its promises."""
    store = open_s3(s3) if s3 else DirectoryStore(folder)
    probe(store)
    return store


def open_s3(settings: S3Settings) -> Store:
    from functions.objects_s3 import S3Store  # boto3 takes its time: only who has an S3 store waits for it

    return S3Store(
        bucket=settings.bucket,
        endpoint=settings.endpoint,
        pod_endpoint=settings.pod_endpoint or settings.endpoint,
        browser_endpoint=settings.browser_endpoint or settings.endpoint,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        region=settings.region,
        prefix=settings.prefix,
    )
