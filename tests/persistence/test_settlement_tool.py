"""`tools settlement`: what is listed, and what requeueing does to each kind of dead letter."""

import json

import pytest

from tests.persistence.settling import Books
from tests.postgres import query
from tools.__main__ import main


@pytest.fixture
def books(database):
    """Five trades: two that wait, and a dead letter of each kind."""
    made = Books(database)
    for _ in range(5):
        made.trade()
    query(
        database,
        """WITH gone AS (DELETE FROM settlement_queue WHERE trade_id > 2 RETURNING trade_id, time), failed AS (
            UPDATE trades t SET settlement_status = 'FAILED' FROM gone g WHERE g.trade_id = t.trade_id
        ) INSERT INTO dead_letters (trade_id, time, attempts, error, stage, posted, refusal)
        SELECT trade_id, time, 4, 'because', (ARRAY['posting', 'reversing', 'reversed'])[trade_id - 2],
            CASE trade_id WHEN 3 THEN ARRAY['buyer_quote'] ELSE '{}' END, CASE trade_id WHEN 3 THEN NULL ELSE 'no' END
        FROM gone""",
    )
    return made


def test_dead_letters_are_listed(books, capsys):
    assert main(["settlement", "list", "--database", books.url]) == 0
    out, err = capsys.readouterr()
    assert "because" in out
    assert err == "3 dead letters\n"
    assert main(["settlement", "list", "--database", books.url, "--json", "--limit", "2"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["total"] == 3
    assert [(row["trade_id"], row["stage"], row["posted"]) for row in listed["rows"]] == [
        (3, "posting", ["buyer_quote"]),
        (4, "reversing", []),
    ]
    assert listed["rows"][0]["failed_at"].endswith("Z")


def test_the_queue_is_listed(books, capsys):
    assert main(["settlement", "list", "--queue", "--database", books.url, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["trade_id"] for row in listed["rows"]] == [1, 2]
    assert main(["settlement", "list", "--queue", "--database", books.url]) == 0
    assert "2 trades waiting to be settled" in capsys.readouterr().err


def test_what_is_requeued_goes_on_where_it_has_to(books, capsys):
    assert main(["settlement", "requeue", "--all", "--database", books.url]) == 0
    rows = query(
        books.url,
        "SELECT trade_id, round, stage, posted, refusal, attempts FROM settlement_queue WHERE trade_id > 2 ORDER BY 1",
    )
    assert rows == [
        (3, 1, "posting", ["buyer_quote"], None, 0),  # under its own keys
        (4, 1, "reversing", [], "no", 0),
        (5, 2, "posting", [], None, 0),  # under new keys
    ]
    assert books.dead() == []
    assert set(books.statuses().values()) == {"PENDING"}


def test_what_is_no_dead_letter_is_said_and_the_others_are_requeued(books, capsys):
    assert main(["settlement", "requeue", "1", "4", "99", "--database", books.url, "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"requeued": [4], "missing": [1, 99]}
    assert err.count("is no dead letter") == 2
    assert books.statuses()[4] == "PENDING"


def test_what_waits_is_given_up_as_it_stands(books, capsys):
    query(books.url, "UPDATE settlement_queue SET attempts = 2, posted = '{buyer_quote}', last_error = 'HTTP 500'")
    assert main(["settlement", "give-up", "1", "3", "--database", books.url, "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"given_up": [1], "missing": [3]}
    assert "trade 3 does not wait to be settled" in err
    assert query(
        books.url, "SELECT time = (SELECT time FROM trades WHERE trade_id = 1), attempts, stage, posted, error"
        " FROM dead_letters WHERE trade_id = 1",
    ) == [(True, 2, "posting", ["buyer_quote"], "given up by hand; before: HTTP 500")]  # fmt: skip
    assert (books.statuses()[1], books.statuses()[2]) == ("FAILED", "PENDING")
    assert main(["settlement", "requeue", "1", "--database", books.url]) == 0
    assert query(books.url, "SELECT round, stage, posted FROM settlement_queue WHERE trade_id = 1") == [
        (1, "posting", ["buyer_quote"])
    ]


@pytest.mark.parametrize("arguments", [[], ["1", "--all"]])
def test_requeue_wants_ids_or_all(books, capsys, arguments):
    assert main(["settlement", "requeue", "--database", books.url, *arguments]) == 2
    assert len(books.dead()) == 3
