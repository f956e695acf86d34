"""A file of keys that may change while the gateway runs: it is looked at again once a second, and taken anew when it
has changed."""

import logging
import os

from gateway.config import ConfigError

LOOK_SECONDS = 1.0

log = logging.getLogger("gateway")


class KeyFile:
    """`keys` is what `read(path)` gave, a dict; `clock` gives seconds."""

    def __init__(self, path, read, clock):
        """Raises ConfigError, as read() does, where the file cannot be used."""
        self._path = path
        self._read = read
        self._clock = clock
        self._stamp = _stamp(path)
        self.keys = read(path)
        self._look_at = clock() + LOOK_SECONDS

    def look(self):
        """To be called before keys are used. -> whether they are other ones now: a file that cannot be used leaves
        those of before."""
        now = self._clock()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.keys = self._read(self._path)
        except ConfigError as error:
            log.error("%s; the keys of before stay", error)
            return False
        log.info("%s: read again, keys: %d", self._path, len(self.keys))
        return True


def _stamp(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
