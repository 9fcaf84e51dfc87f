"""Bundles that are replaced on disk: the new one is opened beside the old one, proved, and takes its place."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from runtime.bundle import MANIFEST, MAX_MANIFEST, read_file
from runtime.errors import IntegrityError
from zoo.serving.loader import put
from zoo.serving.logs import log
from zoo.serving.models import EngineOptions, version_of
from zoo.serving.service import Service

PAUSE = 1.0
"""Seconds between two looks at the bundles' manifests."""
LONGEST = 60.0
"""Seconds after which a bundle that can't be served is tried again at the latest: a copy may be under way."""


@dataclass
class _Failure:
    """A bundle that could not be served.

    Attributes:
        message: Why.
        pause: Seconds until the next try.
        next_try: When that is, by `time.monotonic`.
    """

    message: str = ""
    pause: float = PAUSE
    next_try: float = 0.0


async def watch(service: Service, options: EngineOptions) -> None:
    """Look after the bundles of a service until the task is cancelled."""
    failures: dict[str, _Failure] = {}
    while True:
        await asyncio.sleep(PAUSE)
        for name in service.models.bundles:
            failure = failures.get(name)
            if (failure is None or failure.next_try <= time.monotonic()) and await _is_replaced(service, name):
                await _replace(service, name, options, failures)


async def _is_replaced(service: Service, name: str) -> bool:
    """Tell whether a bundle's folder has another manifest than the served model; one that has none is left alone."""
    try:
        content = await asyncio.to_thread(read_file, service.models.bundles[name] / MANIFEST, MAX_MANIFEST)
    except IntegrityError:
        return False
    return version_of(content) != service.models.get(name).version


async def _replace(service: Service, name: str, options: EngineOptions, failures: dict[str, _Failure]) -> None:
    try:
        await asyncio.to_thread(put, service, name, options)
    except Exception as problem:  # whatever is wrong with the new one, the old one answers
        failure = failures.setdefault(name, _Failure())
        if failure.message != str(problem):
            log.error("model %s: the bundle was replaced, the old one is served on: %s", name, problem)
        failure.message = str(problem)
        failure.pause = min(LONGEST, 2 * failure.pause)
        failure.next_try = time.monotonic() + failure.pause
    else:
        failures.pop(name, None)
