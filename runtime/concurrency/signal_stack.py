"""The stack on which a thread's signals are handled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_signal_stack() -> Iterator[None]:
    """Put the thread's alternate signal stack back to what it was, whatever native code sets up meanwhile.

    OpenVINO's plugin gives the thread that loads it a stack, and frees it when the last model is freed, in whichever
    thread that is: the next signal of the first thread, such as that of Ctrl-C, would then crash the process.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    import ctypes

    class Stack(ctypes.Structure):
        """``stack_t`` of signal.h."""

        _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))

    change = ctypes.CDLL(None).sigaltstack
    before = Stack()
    change(None, ctypes.byref(before))
    try:
        yield
    finally:
        change(ctypes.byref(before), None)
