"""One machine: every part is made here and tied to the others, and nothing is decided here.

The functions, the gateway and the movers are those of a cluster; broker, clock and launcher are local twins. It may be
killed at any moment: what it knows is in $CHRYSALIS_HOME, its pods go on without it, and the next start adopts them.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from wsgiref.types import WSGIApplication

from cloudevents.core.bindings.http import HTTPMessage

from functions import pods
from functions.errors import Failure
from functions.events import Emitter
from functions.host import Receiver
from functions.payloads import BY_NAME, JobStaged, subscribed
from functions.publish.handler import Publish
from functions.publish.pods import create_pods_app as create_publish_pods
from functions.records import Records
from functions.run.handler import Run
from functions.settings import Settings
from functions.stage.handler import Stage
from functions.stage.pods import create_pods_app as create_stage_pods
from gateway.api.app import create_api
from gateway.api.calls import ApiSettings, Hooks
from gateway.catalog.engine import Catalog, open_catalog
from gateway.catalog.repairs import Backoff
from gateway.embedded.answers import Answer
from gateway.embedded.broker import Broker, Interceptor, Subscriber
from gateway.embedded.clock import SweepClock
from gateway.embedded.home import Home
from gateway.embedded.launcher import PodSettings, ProcessLauncher
from gateway.embedded.server import Server
from gateway.embedded.shelf import Shelf, tell_password
from gateway.embedded.stores import open_store
from gateway.ledger import Ledger
from gateway.receiver import Gateway
from gateway.relay import Relay
from gateway.sweep import Sweep

log = logging.getLogger(__name__)

STAGE, PUBLISH = "/pods/stage", "/pods/publish"
BROKER_WORKERS = 8
"""Handlers wait for disks and stores more than they compute."""
THREADS = 4
"""Of the web server at the start; it makes more where they are needed, as many as the settings allow."""


class Machine:
    """All of Chrysalis in one process. Make it, `start` it, `close` it."""

    def __init__(
        self,
        settings: Settings,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        interceptor: Interceptor | None = None,
        pod_settings: PodSettings | None = None,
    ) -> None:
        self.settings, self.password = settings, ""
        self.home = Home(settings.home)
        self.home.create()
        self.lock = self.home.lock()
        self.keys = self.home.signing_keys()
        self.store = open_store(settings.s3, self.home.store)
        self.records = Records(self.store)
        self.server = Server(host=host, port=port, threads=THREADS, most_threads=settings.threads)
        self.url = self.server.bind()
        self.broker = Broker(self.home.broker, workers=BROKER_WORKERS, interceptor=interceptor)
        self.catalog = self.open_catalog()
        backoff = Backoff(settings.repair_seconds, settings.longest_repair_seconds)
        self.ledger = Ledger(self.catalog, self.store, backoff)
        self.launcher = ProcessLauncher(
            settings.home,
            stage_url=self.url + STAGE,
            publish_url=self.url + PUBLISH,
            links=settings.s3 is None,
            on_change=self.pod_changed,
            settings=pod_settings or PodSettings(unsandboxed=settings.unsandboxed),
        )
        self.shelf = Shelf(self.catalog, self.home, settings.unsandboxed)
        self.receivers = self.make_receivers()
        self.relay = Relay(self.ledger, self.records, self.emitter("gateway"))
        self.sweep = Sweep(
            self.ledger,
            self.records,
            self.launcher,
            self.emitter("gateway"),
            self.receivers,
            drain=self.relay.drain,
            batch=backoff.batch,
        )
        self.clock = SweepClock(
            self.home.sweep,
            lambda: self.sweep.round(self.clock),
            period=settings.sweep_seconds,
            longest_transaction=min(settings.sweep_seconds, 60.0),
        )
        self.catalog.arm = self.arm
        self.catalog.wake = self.relay.wake
        self.cleaner = ThreadPoolExecutor(2, thread_name_prefix="cleaner")
        self.applications = self.make_applications()

    # making

    def open_catalog(self) -> Catalog:
        return open_catalog(f"sqlite:///{self.home.catalog}", tenant=self.settings.tenant)

    def emitter(self, unit: str) -> Emitter:
        return Emitter(unit, self.settings.tenant, self.keys, self.publish)

    def publish(self, message: HTTPMessage) -> None:
        self.broker.publish(message.headers, message.body)

    def make_receivers(self) -> dict[str, Receiver]:
        stage = Stage(self.store, self.records, self.emitter("stage"))
        run = Run(self.store, self.records, self.launcher, self.home.minter(), self.emitter("run"))
        publish = Publish(self.store, self.records, self.emitter("publish"))
        gateway = Gateway(self.store, self.records, self.ledger, self.job_settled)
        units = {
            "stage": stage.handlers,
            "run": run.handlers,
            "publish": publish.handlers,
            "gateway": gateway.handlers,
        }
        return {name: Receiver(name, self.keys, handlers) for name, handlers in units.items()}

    def make_applications(self) -> dict[str, WSGIApplication]:
        """The web applications of this machine: the gateway's, and the endpoints that pods talk to."""
        tokens, tenant = self.home.token_keys(), self.settings.tenant
        stage = create_stage_pods(self.store, self.records, tokens, self.pod_emit("stage"), tenant=tenant)
        publish = create_publish_pods(self.store, self.records, tokens, self.pod_emit("publish"), tenant=tenant)
        api_settings = ApiSettings(public_url=self.settings.public_url, sign_up=self.settings.sign_up)
        hooks = Hooks(
            log=self.live_log, install=self.shelf.install, dead_letters=self.dead_letters, replay=self.broker.replay
        )
        api = create_api(self.catalog, self.store, api_settings, hooks)
        return {STAGE: stage, PUBLISH: publish, "": api}

    def pod_emit(self, unit: str) -> pods.Emit:
        emitter = self.emitter(unit)

        def emit(kind: str, *, job: str, attempt: int, index: int | None = None, **details: object) -> None:
            row = BY_NAME[kind]
            emitter.emit(row.payload(job, attempt, index or 0, **details))  # type: ignore[call-arg, arg-type]

        return emit

    # what parts tell each other

    def arm(self) -> None:
        """Something is about to be committed that starts work."""
        self.clock.arm()

    def pod_changed(self, job: str, attempt: int, published: bool) -> None:
        """A pod has ended and nobody has told: run looks at once, instead of at the next sweep."""
        if published:
            return
        try:
            self.emitter("run").emit(JobStaged(job, attempt))
        except Failure as error:
            log.warning("the end of a pod could not be told: %s", error, extra={"action": "pod.untold", "job": job})

    def job_settled(self, job: str) -> None:
        """The catalog has copied a result: the job's run directories are of no more use."""
        self.cleaner.submit(self.remove_pods, job)

    def remove_pods(self, job: str) -> None:
        try:
            self.launcher.delete(job)
        except Failure as error:
            log.warning("a job's pods are left to the sweep: %s", error, extra={"action": "pods.left", "job": job})

    def live_log(self, job: str, attempt: int) -> bytes:
        """What the newest attempt of a job has printed so far; the catalog hears of an attempt only at its end."""
        attempts = [number for name, number in self.launcher.jobs() if name == job]
        return self.launcher.log(job, max(attempts, default=attempt), 0)

    def dead_letters(self) -> list[dict[str, object]]:
        """Events that were given up, for who looks after the machine: what they are and why, never their data."""
        return [
            {
                "id": letter.id,
                "function": letter.delivery.subscriber,
                "event": letter.delivery.event_id,
                "type": letter.delivery.type,
                "code": letter.code,
                "answer": letter.data.decode(errors="replace"),
            }
            for letter in self.broker.dead_letters()
        ]

    # life

    def start(self) -> None:
        """Take up what an earlier process has left, and begin to serve."""
        self.password = self.shelf.prepare(self.store, self.settings.places)
        self.broker.start(self.subscriber(name) for name in self.receivers)
        self.server.start(self.applications)
        self.launcher.start()
        self.relay.start()
        self.clock.start()

    def subscriber(self, name: str) -> Subscriber:
        receiver = self.receivers[name]

        def deliver(headers: dict[str, str], body: bytes) -> Answer:
            answer = receiver.receive(headers, body)
            return Answer(answer.status, answer.headers, answer.body)

        return Subscriber(name, frozenset(row.full for row in subscribed(name)), deliver)

    def close(self) -> None:
        """Stop serving; pods go on. Everything that was accepted is done by the next start."""
        self.server.stop()
        self.clock.stop()
        self.relay.close()
        self.broker.close()
        self.launcher.stop()
        self.cleaner.shutdown(wait=True, cancel_futures=True)
        self.catalog.close()
        self.lock.release()


def spare_collections() -> None:
    """What is there after the start stays: the garbage collector need not look at it again, nor after every 700 new
    objects (a seventh of the server's time under a hundred jobs)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Run one machine until SIGINT or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    machine = Machine(settings, host=host, port=port)
    machine.start()
    spare_collections()
    if machine.password:
        tell_password(machine.password)
    machine.shelf.introduce(machine.url)
    sys.stdout.write(f"Chrysalis is at {machine.url}/api/v1/ (all its state: {settings.home})\n")
    sys.stdout.flush()
    stopped.wait()
    machine.close()
