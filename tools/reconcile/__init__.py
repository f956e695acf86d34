"""`tools reconcile`: does Postgres say what the journal says? Replays the journal in the engine, and compares rows.

What the drainer writes is derived here a second time, from the exchange itself: where both are wrong in the same way,
they are so for different reasons.
"""

from protocol.errors import JournalCorrupt
from tools.console import Failed, note, print_json, print_table
from tools.database import add_database_argument, connected

EXIT_DIFFERS = EXIT_FAILED = 1
SHOWN = 20  # differences of each table


def add_arguments(parser):
    parser.add_argument("directory", metavar="DIR", help="the journal's directory, such as run/journal")
    add_database_argument(parser)
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments):
    """-> 0 where all is the same, 1 where something differs or the comparison could not be made."""
    from tools.reconcile.compare import reconcile

    try:
        # one snapshot of the database for the whole comparison: the drainer may go on meanwhile
        with connected(arguments, isolation_level="REPEATABLE READ", readonly=True) as connection:
            report = reconcile(arguments.directory, connection, SHOWN)
    except (Failed, JournalCorrupt, OSError) as error:
        note("tools reconcile: %s" % error)
        return EXIT_FAILED
    if arguments.json:
        print_json(report, indent=1)
    else:
        _print(report)
    return EXIT_DIFFERS if report["first"] else 0


def _print(report):
    print("compared up to command %(seq)d (event %(event_seq)d)" % report)
    rows = [[name, table["compared"], table["differ"]] for name, table in report["tables"].items()]
    print_table(("table", "compared", "differ"), rows)
    if not report["first"]:
        print("\nPostgres says what the journal says.")
        return
    first = {column: _shown(value) for column, value in report["first"].items()}
    print("\nTHEY DIFFER, first at event %(event_seq)s of command %(seq)s, in %(table)s:\n" % first)
    columns = ("table", "event_seq", "seq", "row", "column", "journal", "postgres")
    print_table(columns, [[_shown(difference[column]) for column in columns] for difference in report["differences"]])


def _shown(value):
    return "-" if value is None else value
