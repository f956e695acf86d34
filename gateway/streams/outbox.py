"""What waits for a client that does not read as fast as the venue writes. Pure, bounded.

What tells a state is kept once for each stream and made when it is sent: the latest then. What tells an event is never
dropped: where there is no room for one more, put() says so, and the client has to be closed.
"""

from collections import deque

MESSAGES_MAX = 2_000
BYTES_MAX = 512 << 10


class Outbox:
    def __init__(self, messages_max=MESSAGES_MAX, bytes_max=BYTES_MAX):
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._items = deque()  # frames, and sources of states
        self._sources = set()  # those in _items
        self._bytes = 0  # of the frames

    def put(self, frame):
        """An event, as bytes. -> False where it has no room."""
        if len(self._items) >= self._messages_max or self._bytes + len(frame) > self._bytes_max:
            return False
        self._items.append(frame)
        self._bytes += len(frame)
        return True

    def put_latest(self, source):
        """A state: `source()` gives the frame, or None, when its turn has come; no more than one of each waits."""
        if source not in self._sources:
            self._sources.add(source)
            self._items.append(source)

    def pop(self):
        """-> the next frame; None where a source has nothing to say any more, IndexError where nothing waits."""
        item = self._items.popleft()
        if type(item) is bytes:
            self._bytes -= len(item)
            return item
        self._sources.discard(item)
        return item()

    def drop(self, source):
        """The client does not want it any more."""
        if source in self._sources:
            self._sources.discard(source)
            self._items.remove(source)

    def __len__(self):
        return len(self._items)
