"""A bounded queue between the client and one consumer, read with `async for`."""

import asyncio
from collections import deque


class StreamOverflow(Exception):
    """The consumer fell behind by more than the queue holds; what came until then was delivered, the rest is lost."""


class Stream:
    """Messages in the order of their arrival. At `size_max` waiting messages it ends: those are still delivered, then
    StreamOverflow is raised. One consumer; close() it, or use it in a `with` block, when no more is wanted.
    """

    def __init__(self, size_max, on_close):
        self._size_max = size_max
        self._on_close = on_close
        self._items = deque()
        self._waiter = None
        self._is_finished = False
        self._error = None  # to raise when the items are used up

    def put(self, item):
        if self._is_finished:
            return
        if len(self._items) >= self._size_max:
            self.finish(StreamOverflow("%d messages were waiting to be read" % self._size_max))
            self._on_close(self)
            return
        self._items.append(item)
        self._wake()

    def finish(self, error=None):
        """Nothing follows: iteration ends after what is waiting, with `error` where one is given."""
        if not self._is_finished:
            self._is_finished = True
            self._error = error
            self._wake()

    def close(self):
        """No more is wanted. Idempotent."""
        if not self._is_finished:
            self.finish()
            self._on_close(self)
        self._items.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __len__(self):
        return len(self._items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._items and not await self._wait():
            raise StopAsyncIteration
        return self._items.popleft()

    async def batch(self):
        """-> a list of all that is waiting, at least one message; empty when the stream was closed."""
        if not self._items and not await self._wait():
            return []
        items = list(self._items)
        self._items.clear()
        return items

    async def _wait(self):
        """-> True when there is an item, False at the end. Raises the error the stream ended with."""
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._is_finished:
                return False
            assert self._waiter is None, "a stream has one consumer"
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return True

    def _wake(self):
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
