"""Views of `zoo serve`."""

from __future__ import annotations

import sys

from zoo.terminal import note, say_json


def listening(address: str, grpc_port: int | None, json_wanted: bool) -> None:
    """Say where a server listens."""
    if json_wanted:
        say_json({"address": address, "grpc_port": grpc_port})
        sys.stdout.flush()
        return
    note(f"http   {address}")
    if grpc_port is not None:
        note(f"grpc   port {grpc_port}")
    note("Ctrl-C ends it.")
