"""What an S3 server's refusals mean: Missing, Temporary, or Permanent with a sentence for whoever has to act on it.

boto3 tells a refusal as a value, obstore as an error class and a text. A sentence holds the server's own word for the
fault, and never a URL or a header of a request: they may hold a secret.
"""

from __future__ import annotations

import re

from functions.errors import Failure, Permanent, Temporary
from functions.objects import Missing

STATUS = re.compile(r"non-2xx status code: (\d{3})")
CODE = re.compile(r"<Code>(\w+)</Code>")
GONE = {"NoSuchKey", "NoSuchVersion", "NotFound", "404"}
PASSING = {"SlowDown", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "TooManyRequests"}
"""Codes that mean "later" whatever the status; other than these, 408, 409, 429 and 5xx mean it."""
UNKNOWN = {"NotImplemented", "MethodNotAllowed"}
SENTENCES = {
    "NoSuchBucket": "The {store} does not exist. Create the bucket, or correct its name in the settings.",
    "AccessDenied": "The {store} denies access. Give the key in the settings the right to read and write there.",
    "InvalidAccessKeyId": "The {store} does not know the access key. Correct it in the settings.",
    "SignatureDoesNotMatch": "The {store} refuses the secret key. Correct it in the settings.",
    "RequestTimeTooSkewed": "The clock of this machine and that of the {store} differ. Set them right.",
    "NoSuchUpload": "The upload of {key!r} to the {store} was given up or has ended. Upload it again.",
    "InvalidPart": "A part of {key!r} is missing in the {store} or has changed. Upload it again.",
    "EntityTooSmall": "A part of {key!r} is smaller than the {store} takes. Upload it again with larger parts.",
    "ExistingObjectIsFile": "The {store} cannot hold {key!r}: there is an object where its folder would be.",
    "EntityTooLarge": "{key!r} is larger than the {store} takes.",
}
CLASSES = {
    "AlreadyExistsError": 412,
    "FileNotFoundError": 404,
    "NotFoundError": 404,
    "PermissionDeniedError": 403,
    "UnauthenticatedError": 401,
}
"""What obstore's error classes stand for, should its text not tell the status."""


def trouble(error: Exception) -> tuple[str, int]:
    """The code and the HTTP status of what a store answered, as boto3 or obstore report it; "" and 0: no answer."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return str(response.get("Error", {}).get("Code", "")), status
    text = str(error).partition("\n\nDebug source:")[0]
    if not (type(error).__module__.startswith("obstore") or text.startswith("Object at location")):
        return "", 0
    code, status_text = CODE.search(text), STATUS.search(text)
    status = int(status_text[1]) if status_text else CLASSES.get(type(error).__name__, 0)
    return (code[1] if code else ""), status


def failure_of(error: Exception, *, store: str, key: str) -> Failure | None:
    """What an error means; None for what is no fault of the store, as an error of the stream that was to be stored."""
    code, status = trouble(error)
    if code in GONE or (status == 404 and not code):
        return Missing(key)
    if code not in SENTENCES and later(code, status):
        return Temporary(f"The {store} cannot take the request now ({code or status}); try again later.")
    if status or code:
        sentence = SENTENCES.get("AccessDenied" if status == 403 and code in ("", "403") else code)
        sentence = sentence or "The {store} refuses a request for {key!r} ({reason}). Look at its log."
        return Permanent(sentence.format(store=store, key=key, reason=code or status))
    return unheard(error, store)


def later(code: str, status: int) -> bool:
    """Does the store ask to be asked again?"""
    return code in PASSING or (code not in UNKNOWN and (status in (408, 409, 429) or (status >= 500 and status != 501)))


def unheard(error: Exception, store: str) -> Failure | None:
    """The store did not answer at all."""
    from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError, IncompleteReadError
    from obstore.exceptions import BaseError

    if isinstance(
        error, HTTPClientError | ConnectionError | IncompleteReadError | BaseError | OSError
    ) and told_by_client(error):
        return Temporary(f"The {store} does not answer ({type(error).__name__}); try again later.")
    if isinstance(error, BotoCoreError):
        return Permanent(f"The {store} cannot be asked: {error}")
    return None


def told_by_client(error: Exception) -> bool:
    """An OSError that neither client has raised comes from the stream that was to be stored."""
    return type(error).__module__.split(".")[0] in ("botocore", "obstore") or "performing" in str(error)
