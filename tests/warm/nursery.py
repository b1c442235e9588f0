"""The inside of a warm process: it forks on request, and tells how each fork came to its end."""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

Live = Callable[[dict[str, Any]], int]
"""What a fork does with the words it was given; returns its exit code."""


def serve(descriptor: int, modules: Iterable[str], live: Live) -> None:
    """Import `modules`, then fork whenever asked to, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the test that started us ends us
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # or each fork copies the memory it looks through
    wire = socket.socket(fileno=descriptor)
    while True:
        request, descriptors, _, _ = socket.recv_fds(wire, 4096, 1)
        if not request:
            return
        words = json.loads(request)
        if "wait" in words:
            _, status = os.waitpid(words["wait"], 0)
            wire.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            wire.close()
            for standard in (1, 2):
                os.dup2(descriptors[0], standard)
            os.close(descriptors[0])
            _be(live, words)
        for each in descriptors:
            os.close(each)
        wire.send(str(pid).encode())


def _be(live: Live, words: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        code = live(words)
    except BaseException:
        traceback.print_exc()
    for thread in threading.enumerate():  # as an interpreter does that ends
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    # What it does after that is to tidy up its memory, which takes longer than a short run did.
    os._exit(code)
