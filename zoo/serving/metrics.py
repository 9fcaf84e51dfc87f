"""Figures for Prometheus.

=================================== ========= =================== =====================================================
metric                              kind      labels              meaning
=================================== ========= =================== =====================================================
``edgezoo_requests_total``          counter   model, protocol,    requests that were answered or refused, by HTTP's
                                              status              status or the name of gRPC's
``edgezoo_stage_seconds``           histogram model, stage        ``receive`` the body, wait in the ``queue``, ``read``
                                                                  files, ``run`` with the wait for a batch, and in all,
                                                                  ``request``
``edgezoo_batch_size``              histogram model               inputs that the engine ran together
``edgezoo_waiting_requests``        gauge     model               requests that wait or are worked on
``edgezoo_model_loads_total``       counter   model, outcome      bundles that were ``loaded`` or have ``failed``
=================================== ========= =================== =====================================================

Errors are the requests whose status is 400 or more, or not ``OK``.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from runtime.errors import MissingExtraError

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus-client finds the folder of the figures that workers share."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("receive", "queue", "read", "run", "request")


class ModelMetrics(NamedTuple):
    """The figures of one model: histograms of seconds by stage, one of batch sizes, and the gauge of its queue."""

    stages: dict[str, Any]
    batch_size: Any
    waiting: Any


class Metrics:
    """The figures of a server.

    Raises:
        MissingExtraError: If prometheus-client is not installed.
    """

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            raise MissingExtraError("prometheus-client, which zoo serve needs,", "serve") from None
        self._registry = own = CollectorRegistry()
        self._requests = Counter("edgezoo_requests", "Requests", ("model", "protocol", "status"), registry=own)
        self._stages = Histogram(
            "edgezoo_stage_seconds", "Seconds by stage", ("model", "stage"), registry=own, buckets=SECONDS
        )
        self._sizes = Histogram("edgezoo_batch_size", "Inputs run together", ("model",), registry=own, buckets=SIZES)
        self._waiting = Gauge(
            "edgezoo_waiting_requests", "Requests that wait or run", ("model",), registry=own,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self._loads = Counter("edgezoo_model_loads", "Bundles that were loaded", ("model", "outcome"), registry=own)

    def of(self, model: str) -> ModelMetrics:
        """Return the figures of a model."""
        stages = {stage: self._stages.labels(model, stage) for stage in STAGES}
        return ModelMetrics(stages, self._sizes.labels(model), self._waiting.labels(model))

    def count_request(self, model: str, protocol: str, status: str) -> None:
        """Count a request; `model` is empty where it named none that is served."""
        self._requests.labels(model, protocol, status).inc()

    def count_load(self, model: str, outcome: str) -> None:
        """Count a bundle that was loaded, or failed."""
        self._loads.labels(model, outcome).inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus's text format, those of all workers."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if SHARED not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
