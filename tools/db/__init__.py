"""`tools db report`: how the database is: slow queries, indexes nobody uses, bloat, sizes, how far it is behind."""

from protocol.errors import JournalCorrupt
from tools.console import Failed, note, print_json, print_table
from tools.database import add_database_argument, connected
from tools.db.report import SECTIONS, make_report

EXIT_FAILED = 1


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    text = "slow queries, unused indexes, bloat, table sizes, lag, settlement"
    report = actions.add_parser("report", help=text, description=text)
    add_database_argument(report)
    report.add_argument("--journal", metavar="DIR", help="also how far the database is behind this journal")
    report.add_argument("--limit", type=int, default=10, metavar="N", help="rows of each part (default %(default)s)")
    report.add_argument("--json", action="store_true", help="JSON instead of tables")


def run(arguments):
    try:
        with connected(arguments, readonly=True) as connection, connection.cursor() as cursor:
            report = make_report(cursor, arguments.journal, max(arguments.limit, 1))
    except (Failed, JournalCorrupt, OSError) as error:
        note("tools db report: %s" % error)
        return EXIT_FAILED
    if arguments.json:
        print_json(report, indent=1)
        return 0
    for name, section in SECTIONS.items():
        part = report[name]
        print("%s%s" % ("" if name == next(iter(SECTIONS)) else "\n", section.title))
        if part["note"]:
            print(part["note"])
        if part["rows"]:
            print_table(section.columns, [[_shown(row[column]) for column in section.columns] for row in part["rows"]])
        elif not part["note"]:
            print("none")
    return 0


def _shown(value):
    return "-" if value is None else " ".join(str(value).split())
