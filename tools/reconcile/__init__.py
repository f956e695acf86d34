"""`tools reconcile`: does Postgres say what the journal says? Replays the journal in the engine, and compares rows.

What the drainer writes is derived here a second time, from the exchange itself: where both are wrong in the same way,
they are so for different reasons.
"""

from protocol.errors import JournalCorrupt
from tools.console import Failed, note, print_json, print_table
from tools.database import add_database_argument, connected

EXIT_DIFFERS = EXIT_FAILED = 1
EXIT_WRONG = 2
SHOWN = 20  # differences of each table
DEPTH_SECONDS, DEPTH_LEVELS = 10, 50  # the defaults of persistence


def add_arguments(parser):
    parser.add_argument("directory", metavar="DIR", help="the journal's directory, such as run/journal")
    add_database_argument(parser)
    same = "as persistence has it (default: %(default)s)"
    parser.add_argument("--depth-seconds", metavar="N", type=int, default=DEPTH_SECONDS, help=same)
    parser.add_argument("--depth-levels", metavar="N", type=int, default=DEPTH_LEVELS, help=same)
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments):
    """-> 0 where all is the same, 1 where something differs or the comparison could not be made."""
    from tools.reconcile.compare import reconcile

    for name in ("depth_seconds", "depth_levels"):
        if getattr(arguments, name) < 1:
            note("tools reconcile: --%s must be at least 1" % name.replace("_", "-"))
            return EXIT_WRONG
    try:
        # one snapshot of the database for the whole comparison: the drainer may go on meanwhile
        with connected(arguments, isolation_level="REPEATABLE READ", readonly=True) as connection:
            report = reconcile(arguments.directory, connection, SHOWN, arguments.depth_seconds, arguments.depth_levels)
    except (Failed, JournalCorrupt, OSError) as error:
        note("tools reconcile: %s" % error)
        return EXIT_FAILED
    if arguments.json:
        print_json(report, indent=1)
    else:
        _print(report)
    return EXIT_DIFFERS if report["first"] else 0


def _print(report):
    if report["from_seq"]:
        print("the journal was pruned: the comparison begins from the snapshot at command %(from_seq)d" % report)
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
