"""`tools settlement`: trades that could not be settled with the wallet of record, how to try them again, and how to
give up one that the wallet never answers.

It speaks to Postgres alone: persistence may run meanwhile or not.
"""

import datetime

from tools.console import Failed, note, print_json, print_table
from tools.database import add_database_argument, connected

EXIT_FAILED, EXIT_USAGE = 1, 2
LIMIT = 100

COLUMNS = ("trade_id", "time", "failed_at", "stage", "posted", "attempts", "error")
QUEUE_COLUMNS = ("trade_id", "time", "stage", "posted", "attempts", "next_attempt_at", "last_error")

#: A round that was reversed is over: the next one has new keys. One that got no answer goes on under its own.
_REQUEUE = """
    WITH again AS (
        DELETE FROM dead_letters WHERE %(is_all)s OR trade_id = ANY(%(trade_ids)s) RETURNING *
    ), queued AS (
        INSERT INTO settlement_queue (trade_id, time, round, stage, posted, refusal, last_error)
        SELECT trade_id, time, CASE stage WHEN 'reversed' THEN round + 1 ELSE round END,
            CASE stage WHEN 'reversed' THEN 'posting' ELSE stage END,
            CASE stage WHEN 'reversed' THEN '{}' ELSE posted END,
            CASE stage WHEN 'reversed' THEN NULL ELSE refusal END, error
        FROM again
    ), pending AS (
        UPDATE trades t SET settlement_status = 'PENDING'
        FROM again a WHERE t.trade_id = a.trade_id AND t.time = a.time
    )
    SELECT trade_id FROM again ORDER BY trade_id
"""

#: It may be under way: what persistence then writes of it finds no row any more.
_GIVE_UP = """
    WITH gone AS (
        DELETE FROM settlement_queue WHERE trade_id = ANY(%(trade_ids)s) RETURNING *
    ), dead AS (
        INSERT INTO dead_letters (trade_id, time, attempts, error, round, stage, posted, refusal)
        SELECT trade_id, time, attempts, 'given up by hand; before: ' || coalesce(last_error, 'nothing'), round, stage,
            posted, refusal
        FROM gone
    ), failed AS (
        UPDATE trades t SET settlement_status = 'FAILED'
        FROM gone g WHERE t.trade_id = g.trade_id AND t.time = g.time
    )
    SELECT trade_id FROM gone ORDER BY trade_id
"""


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="dead letters, or with --queue what waits")
    listing.add_argument("--queue", action="store_true", help="trades that wait to be settled, the oldest first")
    listing.add_argument("--limit", type=int, default=LIMIT, metavar="N", help="at most (default %(default)s)")
    requeueing = actions.add_parser("requeue", help="try dead letters again, in the order of their trades")
    requeueing.add_argument("trade_ids", nargs="*", type=int, metavar="TRADE_ID")
    requeueing.add_argument("--all", dest="is_all", action="store_true", help="all of them")
    giving_up = actions.add_parser("give-up", help="make dead letters of trades that wait, so that others go on")
    giving_up.add_argument("trade_ids", nargs="+", type=int, metavar="TRADE_ID")
    for action in (listing, requeueing, giving_up):
        add_database_argument(action)
        action.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments):
    try:
        if arguments.action == "list":
            return _list(arguments)
        if arguments.action == "give-up":
            return _move(arguments, _GIVE_UP, "given up", "does not wait to be settled")
        if bool(arguments.trade_ids) == arguments.is_all:
            note("tools settlement requeue: give trade ids, or --all")
            return EXIT_USAGE
        return _move(arguments, _REQUEUE, "requeued", "is no dead letter")
    except Failed as error:
        note("tools settlement %s: %s" % (arguments.action, error))
        return EXIT_FAILED


def _list(arguments):
    columns, table = (QUEUE_COLUMNS, "settlement_queue") if arguments.queue else (COLUMNS, "dead_letters")
    with connected(arguments, readonly=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM %s" % table)
        total = cursor.fetchone()[0]
        query = "SELECT %s FROM %s ORDER BY trade_id LIMIT %%s" % (", ".join(columns), table)
        cursor.execute(query, (max(arguments.limit, 0),))
        rows = [[_shown(value) for value in row] for row in cursor.fetchall()]
    if arguments.json:
        print_json({"total": total, "rows": [dict(zip(columns, row)) for row in rows]}, indent=1)
        return 0
    if rows:
        print_table(columns, [["-" if value is None else value for value in row] for row in rows])
    what = "waiting to be settled" if arguments.queue else "dead letters"
    note("%d trades %s" % (total, what) if arguments.queue else "%d %s" % (total, what))
    return 0


def _move(arguments, statement, done, why_not):
    """Between queue and dead letters. -> 0, or 1 where a trade asked for is not there (the others are moved)."""
    with connected(arguments) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, vars(arguments))
        moved = [trade_id for (trade_id,) in cursor.fetchall()]
    missing = sorted(set(arguments.trade_ids) - set(moved))
    if arguments.json:
        print_json({done.replace(" ", "_"): moved, "missing": missing})
    else:
        print("%s %d" % (done, len(moved)))
    for trade_id in missing:
        note("tools settlement %s: trade %d %s" % (arguments.action, trade_id, why_not))
    return EXIT_FAILED if missing else 0


def _shown(value):
    """Times as ISO-8601 UTC."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
