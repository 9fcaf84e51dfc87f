"""Loading the models of a service, one after the other, at its start and when a bundle is replaced."""

from __future__ import annotations

from runtime.errors import ZooError
from zoo.serving.logs import log
from zoo.serving.models import EngineOptions, ServedModel, open_served
from zoo.serving.service import Service


def load_all(service: Service, options: EngineOptions) -> None:
    """Open each bundle and put it into service once it has proved itself.

    Raises:
        BundleError: See `open_served`.
        EngineError: See `open_served`.
    """
    for name in service.models.bundles:
        put(service, name, options)


def put(service: Service, name: str, options: EngineOptions) -> ServedModel:
    """Open the bundle of a name and put it into service; see `open_served`."""
    try:
        served = open_served(service.models.bundles[name], name, options, service.metrics_of[name])
    except ZooError:
        service.metrics.count_load(name, "failed")
        raise
    service.metrics.count_load(name, "loaded")
    service.queues[name].set_threads(served.callers)
    service.models.put(served)
    proof = (
        "without a golden pack" if served.replay.passed is None else f"{served.replay.samples} golden samples replayed"
    )
    log.info("model %s: %s %s on %s, %s", name, served.version, served.model.file.name, served.replay.engine, proof)
    return served
