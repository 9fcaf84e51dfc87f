"""Ctrl-C waits for the end of a conversion, within which it would be lost or crash the process."""

from __future__ import annotations

import os
import signal

import pytest

from export.formats._litert.interrupts import deferred_interrupt

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def raises():
    """Ctrl-C raises KeyboardInterrupt, as in a program of its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_comes_at_the_end():
    done = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        press()
        done.append("converted")
    assert done


def test_the_second_comes_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        press()
        press()
        done.append("converted")
    assert not done


def test_it_comes_where_the_conversion_fails_too():
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        press()
        raise RuntimeError


def test_nothing_happens_without_it():
    with deferred_interrupt():
        pass
