"""Ends a pool's worker when the process that started it is gone, even if that was killed."""

import multiprocessing
import os
import signal
import threading
import time
from functools import cache

SECONDS_BETWEEN_LOOKS = 1.0


@cache
def end_with_parent() -> None:
    """Have this process killed when its parent is gone, if it is a worker of joblib's pool.

    Otherwise it would finish its queue and then wait for ever, holding its memory. Its records are
    complete, so that the same command goes on from there. Workers of submitit and Ray are ended by
    their schedulers.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid == os.getppid():
        threading.Thread(target=_end_after, args=(parent.pid,), daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
