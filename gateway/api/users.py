"""Users. Everybody who has signed in may know the name of another; an address is its owner's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.api import fields
from gateway.api.calls import Call
from gateway.api.fields import Field
from gateway.api.resources import Access, Answer, Resource, created, item, listing, load, refuse
from gateway.api.shapes import Shape, To, attributes
from gateway.catalog import accounts, editing
from gateway.catalog.lists import people
from gateway.catalog.lists.rows import Rows
from gateway.catalog.people import User
from gateway.policy import owns


@dataclass(frozen=True)
class Known:
    """A user as this caller may know them."""

    id: int
    username: str
    email: str
    is_staff: bool


SHAPE = Shape("User", "user", attributes("id", "username", "email", "is_staff"), {"groups": To("user-groups")})
PASSWORD = Field(fields.text(least=8, most=100, trim=False), required=True)
NEW = {
    "username": Field(fields.username, required=True),
    "email": Field(fields.email, required=True),
    "password": PASSWORD,
}
CHANGES = {"email": NEW["email"], "password": PASSWORD}


def known(call: Call, user: User) -> Known:
    email = user.email if owns(call.reader, user.id) else ""
    return Known(user.id, user.username, email, user.is_staff)


def nobody(call: Call) -> Answer:
    """The list is always empty; its template tells how to sign up."""
    return listing(call, SHAPE, Rows((), 0), template=tuple(NEW))


def sign_up(call: Call) -> Answer:
    """A new user."""
    given = fields.clean(call.data, NEW)
    now = call.server.hooks.now()
    number = accounts.add_user(call.server.catalog, call.server.store, now=now, **given)
    return created(call, SHAPE, Known(number, given["username"], given["email"], is_staff=False))


def show(call: Call) -> Answer:
    return item(call, SHAPE, known(call, load(call, SHAPE, people.find)), template=tuple(CHANGES))


def change(call: Call) -> Answer:
    """A new address and password: one's own, or a superuser changes them."""
    user = load(call, SHAPE, people.find)
    if not owns(call.reader, user.id):
        refuse(call)
    given = fields.clean(call.data, CHANGES)
    with call.server.catalog.transaction() as session:
        editing.change_user(session, user.id, **given)
    return item(call, SHAPE, Known(user.id, user.username, given["email"], user.is_staff))


LIST = Resource("users", "users/", get=nobody, post=sign_up, writing=Access.ANYBODY)
RESOURCES = (Resource("user", "users/{}/", get=show, put=change, reading=Access.SIGNED_IN),)


def resources(*, sign_up: bool) -> tuple[Resource, ...]:
    """With sign-up off `users/` takes no POST and says so in `Allow`, which ChRIS_ui reads."""
    return (LIST if sign_up else replace(LIST, post=None), *RESOURCES)
