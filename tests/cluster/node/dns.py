"""A small DNS for a cluster: Services (ClusterIP, headless, ExternalName) asked of the API server when a query comes.

Run inside the node: `python -m tests.cluster.node.dns ADDRESS KUBECONFIG`. Only A records exist; names outside the
cluster do not. `answer` is pure, given how to look a Service up.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dnslib import CNAME, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSServer

from tests.cluster.node.places import DOMAIN

Lookup = Callable[[str, str], "list[str] | str | None"]  # addresses, or the name it stands for, or None
SUFFIX = f".svc.{DOMAIN}"
TTL = 1
KEEP_SECONDS = 1.0
LONGEST_CHAIN = 8


def answer(query: DNSRecord, look_up: Lookup) -> DNSRecord:
    """The reply to one query: an alias is followed, another type than A finds nothing, an unknown name is NXDOMAIN."""
    reply = query.reply()
    name = str(query.q.qname).rstrip(".").lower()
    for _ in range(LONGEST_CHAIN):
        found = _service(name, look_up)
        if found is None:
            reply.header.rcode = RCODE.NOERROR if reply.rr else RCODE.NXDOMAIN
            break
        if isinstance(found, str):
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(found), ttl=TTL))
            name = found.rstrip(".").lower()
            continue
        if query.q.qtype in (QTYPE.A, QTYPE.ANY):
            for address in found:
                reply.add_answer(RR(name, QTYPE.A, rdata=A(address), ttl=TTL))
        break
    return reply


def _service(name: str, look_up: Lookup) -> list[str] | str | None:
    parts = name.removesuffix(SUFFIX).split(".")
    return look_up(parts[1], parts[0]) if name.endswith(SUFFIX) and len(parts) == 2 else None


class Services:
    """Looks Services up at the API server, and remembers for a second."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        self._host = config["clusters"][0]["cluster"]["server"].removeprefix("https://")
        self._context = _context(config)
        self._kept: dict[tuple[str, str], tuple[float, list[str] | str | None]] = {}
        self._connections = threading.local()

    def __call__(self, namespace: str, name: str) -> list[str] | str | None:
        kept = self._kept.get((namespace, name))
        if kept and time.monotonic() - kept[0] < KEEP_SECONDS:
            return kept[1]
        found = self._ask(namespace, name)
        self._kept[namespace, name] = (time.monotonic(), found)
        return found

    def _ask(self, namespace: str, name: str) -> list[str] | str | None:
        service = self._get(f"/api/v1/namespaces/{namespace}/services/{name}")
        if service is None:
            return None
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return str(spec["externalName"])
        if spec.get("clusterIP") != "None":
            return [str(spec["clusterIP"])]
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        slices = self._get(f"{path}?labelSelector=kubernetes.io/service-name%3D{name}") or {"items": []}
        return [
            address
            for each in slices["items"]
            for endpoint in each.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready", True)
            for address in endpoint["addresses"]
        ]

    def _get(self, path: str) -> dict[str, Any] | None:
        for last in (False, True):
            connection = getattr(self._connections, "open", None) or http.client.HTTPSConnection(
                self._host, context=self._context, timeout=3
            )
            self._connections.open = connection
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if last:
                    raise
                continue
            found: dict[str, Any] | None = json.loads(body) if response.status == 200 else None
            return found
        raise AssertionError


def _context(config: dict[str, Any]) -> ssl.SSLContext:
    user = config["users"][0]["user"]
    authority = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        file.flush()
        context.load_cert_chain(file.name)
    return context


class Resolver(BaseResolver):  # type: ignore[misc]
    def __init__(self, look_up: Lookup) -> None:
        self._look_up = look_up

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        try:
            return answer(request, self._look_up)
        except (OSError, http.client.HTTPException):  # the API server is away: ask again
            reply = request.reply()
            reply.header.rcode = RCODE.SERVFAIL
            return reply


def main(address: str, kubeconfig: str) -> None:
    resolver = Resolver(Services(Path(kubeconfig)))
    for tcp in (False, True):
        DNSServer(resolver, address=address, port=53, tcp=tcp).start_thread()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
