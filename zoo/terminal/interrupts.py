"""Let Ctrl-C end a command whose main thread doesn't come back from native code.

Python raises KeyboardInterrupt between two of its instructions, so an engine that loops would delay it for ever. TFLM's
interpreter also keeps Python's lock, so that no thread could watch it: it runs in a child process.
"""

from __future__ import annotations

import os
import signal
import threading
from queue import Empty, SimpleQueue

from runtime.opened_file import ISOLATED

INTERRUPTED = 130
"""The exit status of an interrupted command, as shells count: 128 and the signal's number."""
PATIENCE = 3
"""Seconds that native code gets to return after Ctrl-C."""
CALL = 600.0
"""Seconds that a call of TFLM may take: networks for microcontrollers take some seconds at most."""


def end_when_stuck() -> None:
    """Start a thread that, after Ctrl-C, asks the main thread for a sign of life and ends the process without one.

    Without POSIX signals, or outside of the main thread, nothing is done.
    """
    if not hasattr(signal, "pthread_kill") or threading.current_thread() is not threading.main_thread():
        return
    ISOLATED["tflm"] = CALL
    main = threading.get_ident()
    signs: SimpleQueue[None] = SimpleQueue()
    errors = os.dup(2)  # what runs may have led the other one away
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGURG, lambda *_: signs.put(None))  # the system ignores it by default
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while number := os.read(reader, 1):
            if number[0] == signal.SIGINT:
                signal.pthread_kill(main, signal.SIGURG)
                try:
                    signs.get(timeout=PATIENCE)
                except Empty:
                    os.write(errors, b"zoo: interrupted\n")
                    os._exit(INTERRUPTED)

    threading.Thread(target=watch, name="zoo-interrupts", daemon=True).start()
