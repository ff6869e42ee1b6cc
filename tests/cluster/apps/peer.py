"""A pod that tests speak with: it takes events and answers as told, keeps what came, and asks others on request.

POST /in/<name>            take an event: it is kept, and answered by the next answer planned for <name> (else 204)
PUT  /in/<name>/answers    [{"status", "body", "headers", "seconds"}, ...]: the plan; the last one is repeated for ever
GET  /in/<name>            what came: [{"at", "headers", "body"}, ...]; `at` is this pod's clock in seconds
POST /ask                  {"method", "url", "headers", "body", "timeout"} -> {"status", "headers", "body", "seconds"}
GET  /                     "ready"
"""

from __future__ import annotations

import os
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from cheroot.wsgi import Server
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
lock = threading.Lock()
plans: dict[str, list[dict[str, Any]]] = {}
kept: dict[str, list[dict[str, Any]]] = {}


@app.get("/")
def ready() -> str:
    return "ready"


@app.put("/in/<name>/answers")
def plan(name: str) -> tuple[str, int]:
    with lock:
        plans[name] = list(request.get_json())
    return "", 204


@app.post("/in/<name>")
def take(name: str) -> Response:
    body = request.get_data(as_text=True)
    headers = {key.lower(): value for key, value in request.headers}
    with lock:
        kept.setdefault(name, []).append({"at": time.time(), "headers": headers, "body": body})
        steps = plans.get(name) or [{}]
        answer = steps.pop(0) if len(steps) > 1 else steps[0]
    time.sleep(answer.get("seconds", 0))
    response = Response(answer.get("body", ""), status=answer.get("status", 204))
    response.headers.update(answer.get("headers", {}))
    return response


@app.get("/in/<name>")
def tell(name: str) -> Response:
    with lock:
        return jsonify(kept.get(name, []))


@app.post("/ask")
def ask() -> Response:
    order = request.get_json()
    data = order.get("body", "").encode() if order.get("body") is not None else None
    wanted = urllib.request.Request(order["url"], data, order.get("headers", {}), method=order["method"])
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(wanted, timeout=order.get("timeout", 30)) as answer:
            status, headers, body = answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        status, headers, body = error.code, dict(error.headers), error.read()
    except OSError as error:
        status, headers, body = 0, {}, str(error).encode()
    seconds = time.monotonic() - begun
    return jsonify(status=status, headers=headers, body=body.decode(errors="replace"), seconds=seconds)


if __name__ == "__main__":
    server = Server(("0.0.0.0", int(os.environ.get("PORT", "8080"))), app, numthreads=32)
    server.safe_start()
