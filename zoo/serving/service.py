"""The service behind HTTP and gRPC: the models, their queues, the limits, and whether new requests are welcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from zoo.serving.access import Access
from zoo.serving.errors import BusyError, NotReadyError
from zoo.serving.logs import log_request
from zoo.serving.metrics import Metrics
from zoo.serving.models import ModelTable, ServedModel
from zoo.serving.queue import Deadline, RequestQueue

T = TypeVar("T")

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """The limits of requests.

    Args:
        queue: How many requests of a model wait or are worked on at a time.
        seconds: How long a request may take from its arrival to its answer.
        body: The bytes that a request may have.
        bodies: The bytes that all requests may have together which are being received or wait.
        body_seconds: How long a client may take to send a body.
    """

    queue: int = 256
    seconds: float = 30.0
    body: int = 16 * MEGABYTE
    bodies: int = 256 * MEGABYTE
    body_seconds: float = 30.0


class HeldBytes:
    """The bytes of all bodies that are held, over HTTP and gRPC. It belongs to one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def add(self, count: int) -> None:
        """Count more bytes, also those that are too many: whoever added them takes them off again.

        Raises:
            BusyError: If they leave no room.
        """
        self._count += count
        if self._count > self._limit:
            raise BusyError("the requests under way take up the memory for bodies: try again in a moment")

    def remove(self, count: int) -> None:
        """Count bytes no more."""
        self._count -= count


@dataclass
class Service:
    """The state of a server.

    Attributes:
        models: The models.
        limits: The limits of requests.
        access: Who is served.
        draining: Whether the server is about to end: it answers what it has, and says so.
        metrics: The figures of all models.
    """

    models: ModelTable
    limits: Limits = field(default_factory=Limits)
    access: Access = field(default_factory=Access)
    draining: bool = False
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        """Make a queue and the figures of each model, and the count of bodies' bytes."""
        self.held = HeldBytes(self.limits.bodies)
        self.metrics_of = {name: self.metrics.of(name) for name in self.models.bundles}
        self.queues: Mapping[str, RequestQueue] = {
            name: RequestQueue(name, self.limits.queue) for name in self.models.bundles
        }

    @property
    def ready(self) -> bool:
        """Whether each model has proved itself, and the server goes on."""
        return self.models.complete and not self.draining

    def check_ready(self) -> None:
        """Check that the server is ready.

        Raises:
            NotReadyError: If it isn't.
        """
        if not self.ready:
            raise NotReadyError("the server is about to end" if self.draining else "the models are being loaded")

    def served(self, name: str, version: str = "") -> ServedModel:
        """Return the model of a name, if one more request may wait; see `ModelTable.get` and `check_room`."""
        served = self.models.get(name, version)
        self.queues[name].check_room()
        return served

    async def run(self, served: ServedModel, work: Callable[[Deadline], T], deadline: Deadline) -> T:
        """Do a request's work in a thread of its model's queue; see `RequestQueue.run`."""
        metrics, start = self.metrics_of[served.name], time.perf_counter()

        def timed() -> T:
            metrics.stages["queue"].observe(time.perf_counter() - start)
            return work(deadline)

        with metrics.waiting.track_inprogress():
            return await self.queues[served.name].run(timed, deadline)

    def note_request(self, request_id: str, protocol: str, call: str, model: str, status: str, seconds: float) -> None:
        """Count a request that was answered or refused, and write its line of the log; see `log_request`."""
        known = model if model in self.metrics_of else ""
        self.metrics.count_request(known, protocol, status)
        if known:
            self.metrics_of[known].stages["request"].observe(seconds)
        log_request(request_id, protocol, call, known, status, seconds)
