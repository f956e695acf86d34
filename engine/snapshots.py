"""Snapshot files beside the journal: the state after a command, whole or not at all, checked before it is used.

magic | format | rules | venue | seq | event seq | time_ns | state length | SHA-256 of the rest | state
"""

import contextlib
import hashlib
import logging
import os
import struct

import attrs
import msgpack

from engine import snapshot
from engine.exchange import RULES_VERSION

FORMAT_VERSION = 2
MAGIC = b"TRADESNP"
SUFFIX = ".snapshot"
KEPT = 2  # the newest and the one before it

_header = struct.Struct(">8sHH4xQQQQQ")
_HASH_BYTES = 32

log = logging.getLogger(__name__)


class SnapshotDamaged(Exception):
    """A snapshot file that cannot be used; the text says why."""


@attrs.define
class Snapshot:
    venue_id: int
    seq: int  # last command in it
    event_seq: int  # last event
    time_ns: int
    exchange: object


def snapshot_paths(directory):
    """Every snapshot file, newest first."""
    names = sorted((name for name in os.listdir(directory) if name.endswith(SUFFIX)), reverse=True)
    return [os.path.join(directory, name) for name in names]


def write_snapshot(directory, disk, venue_id, exchange, event_seq, time_ns):
    """Write the state to a new file, durable when this returns, and drop all but the newest KEPT. -> path."""
    state = msgpack.packb(snapshot.dump(exchange))
    head = _header.pack(MAGIC, FORMAT_VERSION, RULES_VERSION, venue_id, exchange.seq, event_seq, time_ns, len(state))
    digest = hashlib.sha256(head + state).digest()
    path = os.path.join(directory, "%020d%s" % (exchange.seq, SUFFIX))
    temporary = path + ".part"
    fd = disk.open(temporary)
    try:
        os.ftruncate(fd, 0)
        disk.write(fd, b"".join((head, digest, state)), 0)
        os.fsync(fd)
    except OSError:  # a full disk: do not make it fuller
        disk.remove(temporary)
        raise
    finally:
        disk.close(fd)
    disk.rename(temporary, path)
    for old in snapshot_paths(directory)[KEPT:]:
        with contextlib.suppress(FileNotFoundError):  # core and replica may both be at it
            disk.remove(old)
    return path


def read_snapshot(path):
    """-> Snapshot; raises SnapshotDamaged."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < _header.size + _HASH_BYTES:
        raise SnapshotDamaged("%s: too short" % path)
    magic, form, rules, venue_id, seq, event_seq, time_ns, size = _header.unpack_from(data, 0)
    if magic != MAGIC or form != FORMAT_VERSION:
        raise SnapshotDamaged("%s: not a snapshot of format %d" % (path, FORMAT_VERSION))
    if rules != RULES_VERSION:
        raise SnapshotDamaged("%s: made under rules %d; these are %d" % (path, rules, RULES_VERSION))
    state = data[_header.size + _HASH_BYTES :]
    digest = data[_header.size : _header.size + _HASH_BYTES]
    if len(state) != size or hashlib.sha256(data[: _header.size] + state).digest() != digest:
        raise SnapshotDamaged("%s: does not match its checksum" % path)
    exchange = snapshot.load(seq, msgpack.unpackb(state, strict_map_key=False))
    return Snapshot(venue_id, seq, event_seq, time_ns, exchange)


def newest_snapshot(directory, seq_max=None):
    """-> the newest Snapshot that can be used (and is not after `seq_max`), or None; logs what it passes over."""
    for path in snapshot_paths(directory):
        if seq_max is not None and int(os.path.basename(path)[: -len(SUFFIX)]) > seq_max:
            continue
        try:
            return read_snapshot(path)
        except SnapshotDamaged as error:
            log.warning("snapshot passed over: %s", error)
    return None
