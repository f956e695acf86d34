"""The newest updates of all accounts, for clients that come back: whoever names the last one it has seen gets the rest.
Pure, bounded: beyond the bound the oldest update is forgotten, whosever it is."""

from collections import deque

UPDATES_MAX = 100_000


class Ring:
    def __init__(self, updates_max=UPDATES_MAX):
        self._max = updates_max
        self._by_account = {}  # account -> deque of its Updates
        self._accounts = deque()  # of every update, in their order
        self.floor_seq = 0  # all updates of later events are here

    def begin(self, event_seq):
        """Nothing up to this event is known, whatever was before."""
        self._by_account.clear()
        self._accounts.clear()
        self.floor_seq = event_seq

    def add(self, update):
        account = update.account
        found = self._by_account.get(account)
        if found is None:
            found = self._by_account[account] = deque()
        found.append(update)
        self._accounts.append(account)
        if len(self._accounts) > self._max:
            self._forget()

    def after(self, account, event_seq):
        """-> the account's updates of later events, or None where some are forgotten."""
        if event_seq < self.floor_seq:
            return None
        found = []
        for update in reversed(self._by_account.get(account, ())):
            if update.event_seq <= event_seq:
                break
            found.append(update)
        found.reverse()
        return found

    def _forget(self):
        account = self._accounts.popleft()
        found = self._by_account[account]
        self.floor_seq = found.popleft().event_seq
        if not found:
            del self._by_account[account]

    def __len__(self):
        return len(self._accounts)
