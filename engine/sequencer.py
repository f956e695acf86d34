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
    events: list  # the same events as objects, for the public feed

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
    """Works in stages, each a loop of its own over the batch: commands are applied as they are submitted, their events
    stamped and encoded when the batch is taken. On PyPy this is what keeps traces short: were an event encoded where it
    is made, each way through the exchange would be compiled together with each way through the encoding.
    """

    def __init__(self, exchange, now_ns, next_event_seq=1):
        """`now_ns`: called once a batch; time never goes back, whatever it returns."""
        self.exchange = exchange
        self.event_seq = next_event_seq - 1  # of the last event
        self.time_ns = 0
        self._now_ns = now_ns
        self._page = bytearray(PAGE_BYTES)
        self._begin()

    def _begin(self):
        self.count = 0  # commands in the batch
        self._first_event_seq = self.event_seq + 1
        self._events = []
        self._causes = []  # key, command, number of events up to its last; key, command, ...
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
        if self.time_ns >= self.exchange.next_due_ns:
            self.count = 1
            tick = Tick(0)
            self._apply(0, tick)
            self.add_source(0, 0, codec.encode(tick), 1)

    def _apply(self, key, command):
        events = self.exchange.apply(self.exchange.seq + 1, self.time_ns, command)
        self.event_seq += len(events)
        self._events.extend(events)
        causes = self._causes
        causes.append(key)
        causes.append(command)
        causes.append(len(self._events))

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

    def take(self):
        """-> the Batch since the last take (count > 0), to be journaled and then delivered."""
        pages, addresses = self._encode()
        record = Record(
            self.exchange.seq - self.count + 1,
            self.count,
            self._first_event_seq,
            self.event_seq - self._first_event_seq + 1,
            self.time_ns,
            self._sources,
            self._commands,
            pages,
        )
        batch = Batch(record, addresses, self._events)
        self._begin()
        return batch

    def _encode(self):
        """Stamp the batch's events with their envelope and encode them. -> (pages, addresses as in Batch)"""
        time_ns = self.time_ns
        event_seq = before = self._first_event_seq - 1
        page = self._page
        end = pages_bytes = 0
        pages, addresses = [], []
        address = -1
        causes = self._causes
        cause = -3
        last = before  # event_seq of the command's last
        key = command_account = request_id = 0
        for event in self._events:
            while event_seq == last:
                cause += 3
                key = causes[cause]
                command = causes[cause + 1]
                last = before + causes[cause + 2]
                command_account = command.account
                request_id = command.request_id
            event_seq += 1
            event.event_seq = event_seq
            event.time_ns = time_ns
            account = event.account
            if account == command_account or event.TYPE == ACCOUNT_OPENED:
                event.key = key
                event.request_id = request_id
            if account != address:
                address = account
                addresses.append(account)
                addresses.append(pages_bytes + end)
            end = WRITERS[event.TYPE](page, end, event)
            if end > PAGE_BYTES - FIXED_FRAME_BYTES_MAX:
                pages.append(memoryview(page)[:end].tobytes())
                pages_bytes += end
                end = 0
        if end:
            pages.append(memoryview(page)[:end].tobytes())
        return pages, addresses

    def replay(self, record):
        """Apply a journaled record again and compare every event. Raises Divergence naming the command."""
        assert record.first_seq == self.exchange.seq + 1 and record.first_event_seq == self.event_seq + 1
        self.time_ns = record.time_ns
        for _ in self.apply_record(record):
            pass
        pages, _ = self._encode()
        events = b"".join(pages)
        if events != record.events or self.event_seq + 1 != record.next_event_seq:
            raise _divergence(record, events, self._causes[2::3])
        self._begin()

    def apply_record(self, record):
        """Apply a record's commands one by one; yields after each, so that a reader may stop between two."""
        for source, command in record_commands(record):
            self.count += 1
            self._apply(source.key, command)
            yield command


def _divergence(record, events, lasts):
    """-> the Divergence that names the first command whose events differ. `lasts`: of each command, how many events
    there were up to its last."""
    place = 0
    for now, then in itertools.zip_longest(split_frames(events), split_frames(record.events), fillvalue=b""):
        if now != then:
            break
        place += 1
    ordinal = next((i for i, last in enumerate(lasts) if place < last), len(lasts) - 1)
    now, then = (repr(codec.decode(frame[LENGTH_BYTES:])) if frame else "nothing" for frame in (now, then))
    return Divergence(record.first_seq + ordinal, "gives %s now, and gave %s when it was journaled" % (now, then))
