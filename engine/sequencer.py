"""Between sessions and the exchange: gives each command its sequence and time, each event its envelope and address.

What it hands out at a flush is values: the journal record, and who is to get which of its event frames. Writing,
syncing and sending, in that order, are the server's.
"""

import itertools

import attrs

from engine.matching import NEVER_NS
from protocol import codec
from protocol.codec import FIXED_FRAME_BYTES_MAX, WRITERS
from protocol.content import record_commands, split_frames
from protocol.framing import LENGTH_BYTES
from protocol.messages import AccountOpened, Tick
from protocol.records import Record, Source

#: Events are collected in pages: PyPy moves and frees what is below 128 KiB cheaply, and nothing above.
PAGE_BYTES = 64 << 10
#: The one event that tells its command what account it is for.
ACCOUNT_OPENED = AccountOpened.TYPE


class Divergence(Exception):
    """A journaled command gives other events than it gave when it was journaled; `seq` says which."""

    def __init__(self, seq, text):
        super().__init__("command %d: %s" % (seq, text))
        self.seq = seq


@attrs.define
class Batch:
    """One flush: what to journal, and whose the events are."""

    record: Record
    addresses: list  # [account, start, account, start, ...]: from byte `start` of record.events on, that account's

    def runs(self):
        """[(account, [bytes, ...]), ...] in event order; one run holds neighbouring events of one account."""
        addresses, pages = self.addresses, self.record.event_parts
        if len(addresses) <= 2:
            return [(account, pages) for account in addresses[:1]]  # none for a Tick
        runs = []
        page, page_start, page_end = 0, 0, len(pages[0])
        for place in range(0, len(addresses), 2):
            start = addresses[place + 1]
            end = addresses[place + 3] if place + 3 < len(addresses) else sum(map(len, pages))
            parts = []
            while start < end:
                if start == page_end:
                    page += 1
                    page_start, page_end = page_end, page_end + len(pages[page])
                stop = min(end, page_end)
                parts.append(pages[page][start - page_start : stop - page_start])
                start = stop
            runs.append((addresses[place], parts))
        return runs


class Sequencer:
    def __init__(self, exchange, now_ns, next_event_seq=1):
        """`now_ns`: called once a batch; time never goes back, whatever it returns."""
        self.exchange = exchange
        self.event_seq = next_event_seq - 1  # of the last event
        self.time_ns = 0
        self.keep_events = False  # True: `events` also holds the batch's event objects, for the public feed
        self.events = []
        self._now_ns = now_ns
        self._page = bytearray(PAGE_BYTES)
        self._begin()

    def _begin(self):
        self.count = 0  # commands in the batch
        self._first_event_seq = self.event_seq + 1
        self._pages = []  # full ones, as bytes
        self._pages_bytes = 0
        self._end = 0  # of the event frames in _page
        self._addresses = []
        self._address = -1
        self._sources = []
        self._commands = []

    def submit(self, key, account, buffer, start, end, command):
        """Apply one command; its frame, length included, is buffer[start:end] and came from this key's session."""
        self.apply(key, command)
        self.add_source(key, account, buffer[start:end], 1)

    def apply(self, key, command):
        """Apply one command of the batch; add_source() has to follow before take()."""
        if self.count == 0:
            self._start_batch()
        self.count += 1
        self._apply(key, command)

    def _start_batch(self):
        """The batch gets its time, and what that makes due is done first."""
        self.time_ns = max(self.time_ns, self._now_ns())
        self.events = []
        if self.time_ns >= self.exchange.next_due_ns:
            self.count = 1
            tick = Tick(0)
            self._apply(0, tick)
            self.add_source(0, 0, codec.encode(tick), 1)

    def due_in_ns(self):
        """-> how long until a Tick has something to do; 0 and less: now. None: nothing is in sight."""
        due_ns = self.exchange.next_due_ns
        return None if due_ns == NEVER_NS else due_ns - self._now_ns()

    def add_source(self, key, account, frames, count):
        """The last `count` commands applied came as `frames` from the session of this key."""
        self._commands.append(frames)
        sources = self._sources
        if sources and sources[-1].key == key:
            sources[-1].count += count
            sources[-1].size += len(frames)
        else:
            sources.append(Source(key, account, count, len(frames)))

    def _apply(self, key, command):
        """The events of one command: stamped, encoded, addressed."""
        time_ns = self.time_ns
        event_seq = self.event_seq
        end = self._end
        page = self._page
        address = self._address
        command_account = command.account
        events = self.exchange.apply(self.exchange.seq + 1, time_ns, command)
        for event in events:
            event_seq += 1
            event.event_seq = event_seq
            event.time_ns = time_ns
            account = event.account
            if account == command_account or event.TYPE == ACCOUNT_OPENED:
                event.key = key
                event.request_id = command.request_id
            if account != address:
                address = account
                self._addresses.append(account)
                self._addresses.append(self._pages_bytes + end)
            end = WRITERS[event.TYPE](page, end, event)
            if end > PAGE_BYTES - FIXED_FRAME_BYTES_MAX:
                self._end = end
                self._turn_page()
                end = 0
        self._address = address
        self.event_seq = event_seq
        self._end = end
        if self.keep_events:
            self.events.extend(events)

    def _turn_page(self):
        if self._end:
            self._pages.append(memoryview(self._page)[: self._end].tobytes())
            self._pages_bytes += self._end
            self._end = 0

    def take(self):
        """-> the Batch since the last take (count > 0), to be journaled and then delivered."""
        self._turn_page()
        record = Record(
            self.exchange.seq - self.count + 1,
            self.count,
            self._first_event_seq,
            self.event_seq - self._first_event_seq + 1,
            self.time_ns,
            self._sources,
            self._commands,
            self._pages,
        )
        batch = Batch(record, self._addresses)
        self._begin()
        return batch

    def replay(self, record):
        """Apply a journaled record again and compare every event. Raises Divergence naming the command."""
        assert record.first_seq == self.exchange.seq + 1 and record.first_event_seq == self.event_seq + 1
        self.time_ns = record.time_ns
        self.events = []
        ends = []  # how far the events reached after each command, in bytes
        for _ in self.apply_record(record):
            ends.append(self._pages_bytes + self._end)
        self._turn_page()
        events = b"".join(self._pages)
        if events != record.events or self.event_seq + 1 != record.next_event_seq:
            raise _divergence(record, events, ends)
        self._begin()

    def apply_record(self, record):
        """Apply a record's commands one by one; yields after each, so that a reader may stop between two."""
        for source, command in record_commands(record):
            self.count += 1
            self._apply(source.key, command)
            yield command


def _divergence(record, events, ends):
    """-> the Divergence that names the first command whose events differ. `ends`: see Sequencer.replay."""
    at = 0
    for now, then in itertools.zip_longest(split_frames(events), split_frames(record.events), fillvalue=b""):
        if now != then:
            break
        at += len(now)
    ordinal = next((i for i, end in enumerate(ends) if at < end), len(ends) - 1)
    now, then = (repr(codec.decode(frame[LENGTH_BYTES:])) if frame else "nothing" for frame in (now, then))
    return Divergence(record.first_seq + ordinal, "gives %s now, and gave %s when it was journaled" % (now, then))
