"""README.md says what the code does: its tables are held against messages.py, its numbers are computed again, and its
client is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import protocol
from protocol import messages, records, scram
from protocol.client import TradingClient
from protocol.codec import decode, encode
from protocol.connection import ANSWERS, FINAL_CODES
from protocol.framing import FRAME_BYTES_MAX
from protocol.messages import MESSAGES, Code, Command, Event, PlaceOrder, Query, wire_fields

TEXT = (Path(protocol.__file__).parent / "README.md").read_text()
FIRST_OWN_FIELD = ((Event, 6), (Command, 3), (Query, 3), (object, 2))  # index in the array, after what all have


def section(title):
    """-> the text below a heading, up to the next of its level or above."""
    level, found = re.search(r"^(#+) %s\n(?s:(.*))" % re.escape(title), TEXT, re.MULTILINE).groups()
    return re.split(r"^#{1,%d} " % len(level), found, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """-> the cells of every table row in a text, headings and rulers left out."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row, following in zip(found, found[1:] + [[""]]) if not is_ruler(row) and not is_ruler(following)]


def is_ruler(row):
    return set("".join(row)) == {"-"}


def example(first_words):
    """-> the content of the fenced block that begins so."""
    (found,) = [block for block in re.findall(r"```\w*\n(.*?)```", TEXT, re.DOTALL) if block.startswith(first_words)]
    return found


def test_every_message_has_its_section_and_there_is_no_other():
    headings = re.findall(r"^#### (\d+) (\w+)$", TEXT, re.MULTILINE)
    found = sorted((int(number), name) for number, name in headings)
    assert found == [(number, cls.__name__) for number, cls in sorted(MESSAGES.items())]


@pytest.mark.parametrize("cls", list(MESSAGES.values()), ids=lambda cls: cls.__name__)
def test_the_table_of_a_message_has_its_fields_in_order_with_their_types(cls):
    first = next(index for base, index in FIRST_OWN_FIELD if issubclass(cls, base))
    expected = [[str(index), name, wire] for index, (name, wire) in enumerate(wire_fields(cls), 1) if index >= first]
    assert [row[:3] for row in rows(section("%d %s" % (cls.TYPE, cls.__name__)))] == expected


@pytest.mark.parametrize(
    "title, base",
    [("Message tables", messages.Message), ("Commands", Command), ("Events", Event), ("Queries and answers", Query)],
)
def test_what_messages_share_is_told_once(title, base):
    expected = [[str(index), name, wire] for index, (name, wire) in enumerate(wire_fields(base), 1)]
    assert [row[:3] for row in rows(re.split("^###", section(title), flags=re.MULTILINE)[0])] == expected


@pytest.mark.parametrize(
    "name",
    [
        "Side",
        "OrderType",
        "TimeInForce",
        "SelfTradePrevention",
        "Liquidity",
        "InstrumentState",
        "Durability",
        "CancelReason",
    ],
)
def test_numbers_with_names_are_the_code_s(name):
    words = {int(number): word.lower() for number, word, _ in rows(section(name))}
    assert words == messages.names_of(getattr(messages, name))


def test_codes_are_the_code_s_with_what_they_mean_for_a_session():
    def kind_of(code):
        if code < 60:
            return "rejected"
        if code < 80:
            return "refused"
        return "closed, for good" if code in FINAL_CODES else "closed, log in again"

    expected = [[str(number), name.upper(), kind_of(number)] for number, name in messages.CODES.items()]
    assert [[number, name, kind] for number, name, _, kind in rows(section("Codes"))] == expected


def test_every_code_is_told_what_it_means():
    assert [name for _, name, meaning, _ in rows(section("Codes")) if not meaning] == []


def test_what_answers_a_request_is_what_the_client_goes_by():
    told = {
        request: set(re.findall(r"[A-Z]\w+", answers))
        for request, answers, _ in rows(section("Requests and what answers them"))
    }
    assert told == {cls.__name__: {answer.__name__ for answer in answers} for cls, answers in ANSWERS.items()}


def test_the_rows_of_answers_have_the_columns_of_the_code():
    told = {row: tuple(columns.split(", ")) for row, columns in rows(section("Rows"))}
    assert told == {
        "order": messages.ORDER_COLUMNS,
        "level": messages.LEVEL_COLUMNS,
        "instrument": messages.INSTRUMENT_COLUMNS,
        "balance": messages.BALANCE_COLUMNS,
        "account": messages.ACCOUNT_COLUMNS,
    }


def test_the_bits_of_a_duplicate_are_the_code_s():
    (told,) = re.findall(r"^    (instrument,[\w,\s]+)$", section("Duplicates"), re.MULTILINE)
    assert tuple(told.replace(",", " ").split()) == messages.DUPLICATE_FIELDS


def test_limits_are_the_code_s():
    limits = {what: limit for what, limit, _ in rows(section("Limits"))}
    assert limits["payload of a frame, either direction"] == "{:,} bytes".format(FRAME_BYTES_MAX)
    assert limits["a text or bytes field"] == "%d bytes" % messages.TEXT_BYTES_MAX == "%d bytes" % messages.BYTES_MAX
    assert limits["open order rows in an answer"] == "%d" % messages.OPEN_ORDERS_MAX
    assert limits["instrument rows in an answer"] == "%d" % messages.INSTRUMENTS_MAX
    assert limits["levels in Depth"] == "%d a side" % messages.DEPTH_LEVELS_MAX
    assert limits["assets of a venue"] == "{:,}".format(messages.ASSETS_MAX)
    known = "{:,}, the newest"
    assert limits["client order ids of an account that are known"] == known.format(messages.CLIENT_ORDER_IDS_MAX)
    assert limits["references of the venue that are known"] == known.format(messages.REFERENCES_MAX)
    assert limits["levels in one FeedSnapshot or DepthChanged"] == "{:,}".format(messages.SNAPSHOT_LEVELS_MAX)


def test_the_worked_login_is_right_to_the_byte():
    told = dict(re.findall(r"^([\w ]+?)  +(.+)$", example("key   "), re.MULTILINE))
    salt = bytes.fromhex(told["salt"])
    keys = scram.derive_keys(told["secret"], salt, int(told["iterations"]))
    auth = scram.auth_message(int(told["key"]), told["client nonce"], told["nonce"], salt, int(told["iterations"]))
    assert told["auth message"].encode() == auth
    assert {name: told[name] for name in ("client_key", "stored_key", "server_key", "proof", "server_signature")} == {
        "client_key": keys.client_key.hex(),
        "stored_key": keys.stored_key.hex(),
        "server_key": keys.server_key.hex(),
        "proof": scram.client_proof(keys, auth).hex(),
        "server_signature": scram.server_signature(keys.server_key, auth).hex(),
    }


def test_the_worked_frames_are_one_message():
    order = PlaceOrder(0, 1, 1, 1, 1, 0, 5000, 10, client_order_id="a1", request_id=1)
    own, shortest = re.findall(r"^(?:core's own|shortest) ((?:\s+[0-9a-f]{2})+)", example("core's own"), re.MULTILINE)
    assert bytes.fromhex(own) == encode(order)
    assert decode(bytes.fromhex(shortest), 4) == order


def test_the_sizes_on_disk_are_the_code_s():
    text = section("The journal")
    header, record, _, source = (
        [(int(row[0]), int(row[1])) for row in rows(part) if row[0].isdigit() and row[1].isdigit()]
        for part in re.split(r"^\| offset", text, flags=re.MULTILINE)[1:]
    )
    assert sum(header[-1]) == records.SEGMENT_HEADER_BYTES
    assert sum(record[-1]) == records.RECORD_HEADER_BYTES
    assert sum(source[-1]) == 16
    for table in (header, record, source):
        assert [offset + size for offset, size in table[:-1]] == [offset for offset, _ in table[1:]]
    assert "journal format: %d" % records.FORMAT_VERSION in text
    assert "sectors of %d bytes" % records.SECTOR_BYTES in text
    assert "protocol version %d" % messages.PROTOCOL_VERSION in TEXT.lower()


async def test_the_client_in_one_page_places_an_order(core, tmp_path):
    admin_key, admin_secret = core.keys[0]
    async with TradingClient(core.host, core.trusted_port, key=admin_key, secret=admin_secret) as admin:
        if all(row.instrument != 1 for row in await admin.instruments()):
            await admin.define_instrument(1, "FIRST", price_scale=2, quantity_scale=0, collar_bps=100)
    program = example("import base64")
    for name, value in (
        ("HOST, PORT", '"%s", %d' % (core.host, core.port)),
        ("KEY, SECRET", '%d, "%s"' % core.keys[1]),
    ):
        program, count = re.subn("(?m)^%s = .*$" % name, lambda _, n=name, v=value: "%s = %s" % (n, v), program)
        assert count == 1
    (tmp_path / "client.py").write_text(program)
    done = subprocess.run([sys.executable, "client.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert re.fullmatch(r"order \d+: 0 filled, 10 open\n", done.stdout)


def test_codes_fit_the_wire():
    assert max(messages.CODES) <= messages.INTEGER_MAX["u8"]
    assert len(messages.CODES) == len({name for name in vars(Code) if name.isupper()})  # no number twice
