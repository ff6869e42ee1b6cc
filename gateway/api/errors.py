"""What goes wrong in a request, in CUBE's words and shapes.

    ApiError          a status and a detail: a sentence, or the faults of each field
    ├── Invalid       400  {"field": ["..."]}, or {"non_field_errors": ["..."]}
    ├── Unreadable    400  the body cannot be parsed
    ├── Unknown       401  no or wrong credentials (WWW-Authenticate: Token)
    ├── Forbidden     403
    ├── NotFound      404
    ├── NotAllowed    405
    ├── NotAcceptable 406
    ├── TooLarge      413
    ├── Unsupported   415
    └── Unavailable   503  trying again may help (Retry-After)

The sentences are those that clients of Django REST framework know; ChRIS clients show them to their users.
"""

from __future__ import annotations

from collections.abc import Mapping

Faults = Mapping[str, list[str]]
"""The faults of each field, by its name."""

REQUIRED = "This field is required."
OWN = "non_field_errors"


class ApiError(Exception):
    """An answer that is an error. `detail` is a sentence or the faults by field."""

    status = 500

    def __init__(self, detail: str | Faults, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(detail))
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, object]:
        """The error as JSON clients see it."""
        return {"detail": self.detail} if isinstance(self.detail, str) else dict(self.detail)

    @property
    def sentence(self) -> str:
        """The error as text, for answers that are neither JSON nor Collection+JSON."""
        if isinstance(self.detail, str):
            return self.detail
        return " ".join(f"{name}: {' '.join(faults)}" for name, faults in self.detail.items())


class Invalid(ApiError):
    status = 400

    def __init__(self, detail: Faults | None = None, **faults: str) -> None:
        super().__init__({**(detail or {}), **{name: [fault] for name, fault in faults.items()}})


class Unreadable(ApiError):
    status = 400


class Unknown(ApiError):
    status = 401

    def __init__(self, detail: str = "Authentication credentials were not provided.") -> None:
        super().__init__(detail, {"WWW-Authenticate": "Token"})


class Forbidden(ApiError):
    status = 403

    def __init__(self, detail: str = "You do not have permission to perform this action.") -> None:
        super().__init__(detail)


class NotFound(ApiError):
    status = 404

    def __init__(self, detail: str = "Not found.") -> None:
        super().__init__(detail)

    @classmethod
    def of(cls, noun: str) -> NotFound:
        return cls(f"No {noun} matches the given query.")


class NotAllowed(ApiError):
    status = 405

    def __init__(self, method: str) -> None:
        super().__init__(f'Method "{method}" not allowed.')


class NotAcceptable(ApiError):
    status = 406

    def __init__(self) -> None:
        super().__init__("Could not satisfy the request Accept header.")


class TooLarge(ApiError):
    status = 413


class Unsupported(ApiError):
    status = 415

    def __init__(self, media: str) -> None:
        super().__init__(f'Unsupported media type "{media}" in request.')


class Unavailable(ApiError):
    status = 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"Retry-After": "5"})
