"""The front door of the API: routes, the order of the checks, and the translation of every failure. Nothing else.

A request is answered in this order, which is CUBE's: CORS preflight, form of the answer (406), who asks (401), may they
come in (401, 403), method (405), then the resource.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from functions.errors import Permanent, Temporary
from functions.objects import Missing, Store
from gateway.api import cors, renderers
from gateway.api.addresses import PLANNED
from gateway.api.authentication import Authentication
from gateway.api.calls import ApiSettings, Call, Hooks, Server
from gateway.api.errors import ApiError, Forbidden, Invalid, NotAllowed, NotFound, Unavailable, Unknown
from gateway.api.links import Links
from gateway.api.media import COLLECTION, Media, choose
from gateway.api.multipart import CHUNK_BYTES
from gateway.api.nouns import resources
from gateway.api.resources import Access, Answer, Resource
from gateway.catalog.engine import Catalog
from gateway.catalog.faults import Absent, Denied, Faulty
from gateway.catalog.people import User

BIGGEST = 2**63 - 1
"""The largest number of a row."""
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
log = logging.getLogger(__name__)


def create_api(
    catalog: Catalog, store: Store, settings: ApiSettings | None = None, hooks: Hooks | None = None
) -> Flask:
    """The API as a WSGI application. The catalog's own `arm` and `wake` are called around commits that start work."""
    server = Server(catalog, store, settings or ApiSettings(), hooks or Hooks())
    app = Flask("chrysalis", static_folder=None)
    app.url_map.merge_slashes = False
    known = tuple(resources(server.settings))
    door = Door(server, PLANNED | {resource.name: resource.template for resource in known})
    for resource in known:
        add_routes(app, door, resource)
    app.before_request(preflight)
    app.after_request(share)
    app.register_error_handler(HTTPException, no_route)
    app.register_error_handler(Exception, broken)
    return app


def add_routes(app: Flask, door: Door, resource: Resource) -> None:
    """The routes of a resource: its path, the path with a suffix for its last slash, and without it, which is moved."""
    path = rule(resource.template)
    view = partial(door.enter, resource)
    options: dict[str, Any] = {"methods": METHODS, "provide_automatic_options": False}
    app.add_url_rule(path, resource.name, view, **options)
    if path.endswith("/"):
        app.add_url_rule(f"{path[:-1]}.<suffix>", f"{resource.name}.suffix", view, **options)
        app.add_url_rule(path[:-1], f"{resource.name}.moved", partial(moved, door), **options)


def rule(template: str) -> str:
    """The route of a path: a number for each `{}`, and any name for the one that ends it."""
    parts = template.split("{}")
    numbers = [f"<int(max={BIGGEST}):n{position}>" for position in range(len(parts) - 1)]
    if template.endswith("{}"):
        numbers[-1] = "<path:name>"
    return "".join(part + number for part, number in zip(parts, [*numbers, ""], strict=True))


class Door:
    """Where every request comes in."""

    def __init__(self, server: Server, paths: Mapping[str, str]) -> None:
        self.server = server
        self.paths = paths
        self.authentication = Authentication()

    def enter(self, resource: Resource, suffix: str = "", name: str = "", **numbers: int) -> Response:
        """Answer a request to a resource."""
        media = COLLECTION
        try:
            media = choose_media(resource, suffix)
            response = self.answer(resource, media, suffix, tuple(numbers.values()))
        except (ApiError, Permanent, Temporary) as error:
            response = self.refuse(resource, media, translate(error))
        finally:
            pass_over()
        response.headers.setdefault("Allow", ", ".join(resource.methods))
        response.headers.setdefault("Vary", "Accept, Authorization")
        return response

    def answer(self, resource: Resource, media: Media, suffix: str, numbers: tuple[int, ...]) -> Response:
        with self.server.catalog.reading() as session:
            header = request.headers.get("Authorization", "")
            user = self.authentication.find(session, header, now=self.server.hooks.now())
            admit(resource, request.method, user)
            handler = resource.handler(request.method)
            if handler is None:
                raise NotAllowed(request.method)
            links = Links(self.base(), self.paths, suffix, request.args.get("format", ""))
            answer = handler(Call(self.server, request, links, media, numbers, user, session))
        return answer if isinstance(answer, Response) else respond(answer, media)

    def refuse(self, resource: Resource, media: Media, error: ApiError) -> Response:
        if resource.as_text:
            return Response(error.sentence, error.status, error.headers, content_type="*/*")
        href = self.base() + request.full_path.removesuffix("?")
        body = renderers.render_error(error, href, media)
        return Response(body, error.status, error.headers, content_type=media.content_type)

    def base(self) -> str:
        """Scheme and host of every link."""
        return self.server.settings.public_url.rstrip("/") or request.host_url.rstrip("/")


def choose_media(resource: Resource, suffix: str) -> Media:
    if resource.as_text:
        return COLLECTION
    wanted = suffix or request.args.get("format", "")
    return choose(request.headers.get("Accept", ""), wanted=wanted, forms=resource.forms)


def admit(resource: Resource, method: str, user: User | None) -> None:
    """Raises Unknown or Forbidden if this user may not come in with this method."""
    access = resource.reading if method in ("GET", "HEAD", "OPTIONS") else resource.writing
    if access is not Access.ANYBODY and user is None:
        raise Unknown
    if access is Access.STAFF and not (user and user.is_staff):
        raise Forbidden


def respond(answer: Answer, media: Media) -> Response:
    if answer.document is None:
        return Response(status=answer.status, headers=dict(answer.headers))
    body = renderers.render(answer.document, media)
    return Response(body, answer.status, dict(answer.headers), content_type=media.content_type)


def translate(error: Exception) -> ApiError:
    """Every failure that has a sentence, as an error of the API."""
    match error:
        case ApiError():
            return error
        case Faulty():
            return Invalid(error.faults)
        case Denied():
            return Forbidden(str(error))
        case Absent():
            return NotFound(str(error))
        case Missing():
            return NotFound("The bytes of this file are missing in the store. Tell your administrator.")
        case Temporary():
            log.warning("A request failed for now: %s", error, extra={"action": "request.failed"})
            return Unavailable(str(error))
        case _:
            return Invalid(non_field_errors=str(error))


def preflight() -> Response | None:
    """Answer what a browser asks before it sends a cross-origin request."""
    if cors.is_preflight(request.method, request.headers.get("Access-Control-Request-Method")):
        return Response(status=200, headers=cors.PREFLIGHT, content_type="text/html")
    return None


def share(response: Response) -> Response:
    """Let pages of every origin read the answer."""
    response.headers.update(cors.answer_headers(request.headers.get("Origin")))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def moved(door: Door, **_: int) -> Response:
    """The same address with its last slash."""
    query = f"?{request.query_string.decode('ascii', 'replace')}" if request.query_string else ""
    return Response(status=301, headers={"Location": f"{door.base()}{request.path}/{query}"})


def pass_over() -> None:
    """Read what is left of the body in small pieces: the server would read it whole, to keep the connection."""
    with suppress(OSError, HTTPException):
        while request.stream.read(CHUNK_BYTES):
            pass


def no_route(error: HTTPException) -> Response:
    page = renderers.html_page(error.name, "<p>The requested resource was not found on this server.</p>")
    return Response(page, error.code or 500, content_type="text/html; charset=utf-8")


def broken(error: Exception) -> Response:
    """A fault of ours: logged whole, told in two words."""
    log.exception("A request ended in a fault of the server.", extra={"action": "request.broken"})
    return Response(renderers.dump({"error": "Internal server error"}), 500, content_type="application/json")
