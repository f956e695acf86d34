"""Work that takes long for one session is done in parts, one part a turn of the loop for all sessions together, so that
commands do not wait for more than one part."""


class Turns:
    def __init__(self, loop, after):
        """`after()`: called after each part."""
        self._loop = loop
        self._after = after
        self._works = {}  # work -> True, in the order in which their turns come
        self._is_due = False

    def add(self, work):
        """Call work() once, in a turn to come; work that waits already is not added again. To go on, it adds itself."""
        self._works[work] = True
        self._soon()

    def _soon(self):
        if self._works and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._run)

    def _run(self):
        self._is_due = False
        work = next(iter(self._works))
        del self._works[work]
        self._soon()  # first: what the work raises is the loop's business
        work()
        self._after()
