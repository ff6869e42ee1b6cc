"""The failures of Chrysalis.

    Failure            anything that we say in a sentence
    ├── Permanent      trying again cannot help: 422, dead letter
    │   └── Refused    a token or signature that opens nothing: 401
    └── Temporary      trying again may help: 503, retried with backoff

Outside errors (a store, a cluster, a database) are translated into these two once, where the outside thing is wrapped.
The text of a failure is shown to users: it names the cause and the next step, and never patient data.
"""

from __future__ import annotations


class Failure(Exception):
    """A failure with a sentence for the person who has to act on it."""


class Permanent(Failure):
    """Trying again cannot help."""


class Refused(Permanent):
    """The caller has not shown that it may do this."""


class Temporary(Failure):
    """Trying again may help."""
