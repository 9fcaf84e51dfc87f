"""Sockets and addresses: what the server listens on, and by which names it is reached."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from itertools import count

from runtime.errors import OptionError, one_line

FIRST_PORT = 8000
LOCAL = ("localhost", "127.0.0.1", "::1")


def listen(host: str, port: int | None, shared: bool = False) -> list[socket.socket]:
    """Return listening sockets, one for each address of `host`, all on one port.

    Args:
        host: A name or address of this machine; ``0.0.0.0`` is every IPv4 address of it, ``::`` every address.
        port: The port, 0 for any that is free, or None for the first free one from 8000.
        shared: Whether other processes of this user may listen on the port, too.

    Raises:
        OptionError: If the host is not this machine, or the port is taken or not ours to take.
    """
    sockets = bind(host, port, shared)
    for each in sockets:
        each.listen(128)
    return sockets


def bind(host: str, port: int | None, shared: bool = False) -> list[socket.socket]:
    """Return sockets that keep a port and don't listen; see `listen`."""
    try:
        resolved = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as problem:
        raise OptionError(f"--host {host}: no address of this machine ({one_line(problem)})") from None
    addresses = list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in resolved))
    for tried in count(FIRST_PORT) if port is None else (port,):
        try:
            return _bind(addresses, tried, shared)
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE and port is None and tried < FIRST_PORT + 100:
                continue
            what = "is in use" if problem.errno == errno.EADDRINUSE else f"can't be opened ({one_line(problem)})"
            raise OptionError(f"port {tried} of {host} {what}: name another with --port") from None
    raise AssertionError


def phone_host(host: str) -> str | None:
    """Return by what name or address a phone in the same network reaches a server of `host`; None if it can't."""
    if host in LOCAL or _is(host, "is_loopback"):
        return None
    return lan_address() if _is(host, "is_unspecified") else host


def own_name(host: str) -> str:
    """Return by what name or address this machine reaches a server of `host`."""
    return "localhost" if _is(host, "is_unspecified") else host


def names(host: str) -> list[str]:
    """Return every name and address by which a server of `host` may be called."""
    candidates = [*LOCAL, own_name(host), phone_host(host)]
    if phone_host(host) is not None:
        own = socket.gethostname()
        candidates += [own, f"{own.partition('.')[0]}.local"]
    valid = [name for name in candidates if name and (_parse(name) or re.fullmatch(r"[A-Za-z0-9.-]{1,253}", name))]
    return list(dict.fromkeys(valid))


def address(scheme: str, host: str, port: int) -> str:
    """Return a URL, with a slash at the end."""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}/"


def lan_address() -> str | None:
    """Return this machine's address in its network, or None without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for examples (RFC 5737): which way would it go?
        except OSError:
            return None
        own = str(probe.getsockname()[0])
    return None if _is(own, "is_loopback") or _is(own, "is_unspecified") else own


def _bind(addresses: Sequence[tuple[socket.AddressFamily, str]], port: int, shared: bool) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for family, host in addresses:
            each = socket.socket(family, socket.SOCK_STREAM)
            bound.append(each)
            if os.name == "posix":  # on Windows it would let two servers share a port
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6 and len(addresses) > 1:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                each.bind((host, port))
            except OSError as problem:
                if problem.errno != errno.EADDRNOTAVAIL or len(bound) == len(addresses) == 1:
                    raise
                bound.pop().close()  # a name may have an address, such as ::1, that this machine doesn't
                continue
            port = each.getsockname()[1]
        if not bound:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except BaseException:
        for each in bound:
            each.close()
        raise
    return bound


def _parse(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is(host: str, property_name: str) -> bool:
    parsed = _parse(host)
    return parsed is not None and bool(getattr(parsed, property_name))
