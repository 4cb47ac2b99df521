"""A worker of a pool ends with the process that started it, even if that was killed."""

import multiprocessing
import os
import signal
import threading
import time
from functools import cache

SECONDS_BETWEEN_LOOKS = 1.0


@cache
def end_with_parent() -> None:
    """Have this process killed once its parent is gone, if it is a worker of a pool (joblib's).

    It would compute what is left in its queue and then wait for jobs for ever, its memory with it.
    What it has recorded is whole, and the same command goes on from there. Processes that others
    start (submitit's, Ray's) have schedulers that see to them.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid == os.getppid():
        threading.Thread(target=_end_after, args=(parent.pid,), daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
