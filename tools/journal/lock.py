"""Whether a core is writing a journal at this moment."""

import fcntl
import os

from engine.journal import LOCK_NAME


def is_core_running(directory):
    """True where a process holds the journal's lock. Tries the lock itself, shared, and lets go of it at once."""
    try:
        fd = os.open(os.path.join(directory, LOCK_NAME), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
