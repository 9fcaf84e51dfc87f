"""Why a request is not answered, and what HTTP and gRPC call that.

::

    ServingError
    ├── RequestError       the request itself is wrong
    ├── UnauthorizedError  it lacks the bearer token
    ├── NotFoundError      there is no such model or version
    ├── SlowClientError    it did not arrive in time
    ├── TooLargeError      it is larger than the limit
    ├── BusyError          more requests wait than the limit
    ├── NotReadyError      the models are not loaded yet
    └── DeadlineError      the answer was not there in time

An `InputError` counts as a `RequestError`; any other error is the server's own.
"""

from __future__ import annotations

from typing import ClassVar

from runtime.errors import InputError, ZooError


class ServingError(ZooError):
    """Base of the errors of requests.

    Attributes:
        STATUS: The status of HTTP.
        GRPC: The name of gRPC's status code.
        HEADERS: Sent with the answer over HTTP.
    """

    STATUS: ClassVar[int] = 500
    GRPC: ClassVar[str] = "INTERNAL"
    HEADERS: ClassVar[dict[str, str]] = {}


class RequestError(ServingError):
    """The request is wrong."""

    STATUS = 400
    GRPC = "INVALID_ARGUMENT"


class UnauthorizedError(ServingError):
    """The request lacks the bearer token."""

    STATUS = 401
    GRPC = "UNAUTHENTICATED"
    HEADERS: ClassVar = {"WWW-Authenticate": "Bearer"}


class NotFoundError(ServingError):
    """There is no such model, version or path."""

    STATUS = 404
    GRPC = "NOT_FOUND"


class SlowClientError(ServingError):
    """The request did not arrive in time."""

    STATUS = 408
    GRPC = "DEADLINE_EXCEEDED"


class TooLargeError(ServingError):
    """The request is larger than the limit."""

    STATUS = 413
    GRPC = "RESOURCE_EXHAUSTED"


class BusyError(ServingError):
    """More requests wait than the limit."""

    STATUS = 429
    GRPC = "RESOURCE_EXHAUSTED"
    HEADERS: ClassVar = {"Retry-After": "1"}


class NotReadyError(ServingError):
    """The models are not loaded yet, or no longer."""

    STATUS = 503
    GRPC = "UNAVAILABLE"
    HEADERS: ClassVar = {"Retry-After": "1"}


class DeadlineError(ServingError):
    """The answer was not there in time."""

    STATUS = 504
    GRPC = "DEADLINE_EXCEEDED"


def classify(problem: Exception) -> type[ServingError]:
    """Return the kind of error that a problem counts as."""
    if isinstance(problem, ServingError):
        return type(problem)
    return RequestError if isinstance(problem, InputError) else ServingError
