"""`tools journal dump`: every command and event of a range, one a line, without the engine.

An event stands behind the command that caused it. The journal does not say which that was, but the first event of a
command names its key and request (of a CancelInstrument the last one): where a client gave neighbouring commands one
request id, their events stand behind the first of them.
"""

import json
import sys

from protocol.content import record_commands, record_events
from protocol.journal import JournalReader, first_seq_of, segment_paths
from protocol.messages import AccountOpened, AllCancelled, CancelInstrument, CancelReason, OrderCancelled
from tools.console import fields_of, utc


def run(arguments):
    show = _show_json if arguments.json else _show_text
    for seq, source, time_ns, command, events in dumped(arguments.directory, arguments.from_seq, arguments.to_seq):
        show("command", seq, seq, time_ns, source.key, command)
        for event in events:
            show("event", seq, event.event_seq, event.time_ns, event.key, event)
    return 0


def dumped(directory, from_seq=0, to_seq=None):
    """Yields (seq, Source, time_ns, command, [event, ...]) of each command in the range. Raises JournalCorrupt."""
    paths = segment_paths(directory)
    if not paths:
        return
    for _, _, record in JournalReader(directory, from_seq or first_seq_of(paths[0])):
        if to_seq is not None and record.first_seq > to_seq:
            return
        commands = list(record_commands(record))
        caused = events_by_command(commands, record_events(record))
        for seq, (source, command), events in zip(range(record.first_seq, record.next_seq), commands, caused):
            if seq >= from_seq and (to_seq is None or seq <= to_seq):
                yield seq, source, record.time_ns, command, events


def events_by_command(commands, events):
    """[(Source, command), ...], [event, ...] of one record -> the events of each command."""
    names = [(source.key, command.request_id, command.account) for source, command in commands]
    # the CancelInstruments, whose cancels are other accounts' events and name nobody
    waiting = [i for i, (_, command) in enumerate(commands) if type(command) is CancelInstrument]
    caused = [[] for _ in commands]
    at = 0
    for event in events:
        kind = type(event)
        name = (event.key, event.request_id, event.account)
        if kind is OrderCancelled and event.reason == CancelReason.ADMIN and not event.key:
            at = next((i for i in waiting if i >= at and commands[i][1].instrument == event.instrument), at)
        elif event.key and name != names[at]:
            # forward to the command it names; OpenAccount does not know its account
            accounts = (event.account, 0) if kind is AccountOpened else (event.account,)
            wanted = [(event.key, event.request_id, account) for account in accounts]
            at = next((i for i in range(at, len(names)) if names[i] in wanted), at)
        if kind is AllCancelled and at in waiting:
            waiting.remove(at)
        caused[at].append(event)
    return caused


def _show_text(kind, seq, number, time_ns, key, message):
    fields = fields_of(message, leave_out=("event_seq", "time_ns", "key", "account"))
    text = " ".join("%s=%s" % (name, _quoted(value)) for name, value in fields.items())
    mark = "" if kind == "command" else "  "
    head = "%s%s %d %s key=%d account=%d" % (mark, kind, number, utc(time_ns), key, message.account)
    sys.stdout.write("%s %s %s\n" % (head, type(message).__name__, text))


def _quoted(value):
    is_plain = not isinstance(value, str) or (value.isprintable() and value and " " not in value)
    return value if is_plain else json.dumps(value)


def _show_json(kind, seq, number, time_ns, key, message):
    line = {
        "kind": kind,
        "seq": seq,
        "time": utc(time_ns),
        "time_ns": time_ns,
        "key": key,
        "type": type(message).__name__,
    }
    if kind == "event":
        line["event_seq"] = number
    line.update(fields_of(message, leave_out=("event_seq", "time_ns", "key")))
    sys.stdout.write(json.dumps(line) + "\n")
