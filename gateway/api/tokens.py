"""Signing in: a name and a password for a token. JSON only, as in CUBE."""

from __future__ import annotations

from flask import Response

from gateway.api import fields, renderers
from gateway.api.calls import Call
from gateway.api.errors import Invalid
from gateway.api.fields import Field
from gateway.api.media import JSON
from gateway.api.resources import Access, Resource
from gateway.catalog import accounts

FIELDS = {
    "username": Field(fields.text(most=150), required=True),
    "password": Field(fields.text(most=128, trim=False), required=True),
}
WRONG = "Unable to log in with provided credentials."


def sign_in(call: Call) -> Response:
    """A new token for somebody who knows the password."""
    given = fields.clean(call.data, FIELDS)
    user = accounts.authenticate(call.session, given["username"], given["password"])
    if user is None:
        raise Invalid(non_field_errors=WRONG)
    with call.server.catalog.transaction() as session:
        token = accounts.add_token(session, user.id, now=call.server.hooks.now())
    return Response(renderers.dump({"token": token}), content_type=JSON.type)


RESOURCES = (Resource("auth-token", "auth-token/", post=sign_in, writing=Access.ANYBODY, forms=(JSON,)),)
