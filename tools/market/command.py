"""`tools market DIR`: real order flow into a core, and how far the venue agreed with the exchange's own record."""

import asyncio
import contextlib
import json
import sys

from protocol.calls import ConnectionClosed, Rejected, RequestRefused
from protocol.messages import DURABILITIES
from protocol.stream import StreamOverflow
from tools.console import port_from
from tools.market.agreement import FIGURES, known_minimums, shortfalls
from tools.market.core import CoreFailed
from tools.market.feed import WINDOW
from tools.market.lobster import DataError, find_data_sets
from tools.market.run import Settings, Target, feed, run_own
from tools.market.venue import OutOfStep

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
FAILURES = (
    DataError, CoreFailed, OutOfStep, ConnectionClosed, RequestRefused, Rejected, StreamOverflow, OSError,
)  # fmt: skip


def add_arguments(parser):
    parser.add_argument("directory", metavar="DIR", help="LOBSTER messages and books, or directories of them")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N messages of each data set")
    parser.add_argument("--window", type=int, default=WINDOW, help="commands on their way (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="write the figures as JSON")
    parser.add_argument(
        "--check", action="store_true", help="fail when agreement is below what the data set is known for"
    )
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="FIGURE=VALUE",
        help="fail when a figure (as --json names it) is worse than this; may be given often",
    )
    own = parser.add_argument_group("a core of its own")
    own.add_argument("--spawn", action="store_true", help="start one in a temporary directory, on free ports")
    own.add_argument("--kill", type=int, default=0, metavar="N", help="SIGKILL it N times a data set, and go on")
    own.add_argument("--seed", type=int, default=1, help="of where it is killed (default 1)")
    own.add_argument("--compare-undisturbed", action="store_true", help="run without kills too; fail unless equal")
    own.add_argument("--durability", choices=DURABILITIES.values(), default="sync", help="of it (default sync)")
    own.add_argument("--core-python", default=sys.executable, metavar="PATH", help="its interpreter (default: this)")
    own.add_argument("--directory", dest="parent", metavar="DIR", help="where its journal is made, and removed")
    running = parser.add_argument_group("a core that runs already")
    running.add_argument("--host", default="127.0.0.1")
    running.add_argument("--port", type=port_from(1), default=7001, help="traders' listener (default %(default)s)")
    running.add_argument("--key-file", metavar="FILE", help='JSON: {"key": NUMBER, "secret": TEXT} of a trading key')
    running.add_argument("--instrument", type=int, default=0, help="one with 4 decimals (default: defines its own)")
    running.add_argument(
        "--trusted-port", type=port_from(1), default=7002, help="trusted listener (default %(default)s)"
    )
    running.add_argument("--trusted-key-file", metavar="FILE", help="of a trusted key: defines instruments, state hash")


def run(arguments):
    """-> exit code: 0 well, 1 the run or a check failed, 2 usage."""
    problem = _problem(arguments)
    try:
        expected = _parse_expected(arguments.expect)
    except ValueError as error:
        problem = problem or str(error)
    if problem:
        print("tools market: %s" % problem, file=sys.stderr)
        return EXIT_USAGE
    try:
        data_sets = find_data_sets(arguments.directory)
        target = None if arguments.spawn else _target(arguments)
        settings = Settings(
            arguments.window,
            arguments.limit,
            arguments.instrument,
            arguments.kill,
            arguments.seed,
            arguments.core_python,
            arguments.durability,
            arguments.parent,
            _progress,
        )
        undisturbed = None
        if target is not None:
            outcome = asyncio.run(feed(data_sets, target, settings))
        else:
            outcome = asyncio.run(run_own(data_sets, settings))
            if arguments.compare_undisturbed:
                settings.kills = 0
                undisturbed = asyncio.run(run_own(data_sets, settings))
    except FAILURES as error:
        print("tools market: %s" % (error or type(error).__name__), file=sys.stderr)
        return EXIT_FAILED
    print(json.dumps(_as_json(outcome, undisturbed), indent=1) if arguments.json else _as_text(outcome, undisturbed))
    problems = _shortfalls(outcome, undisturbed, arguments, expected)
    for problem in problems:
        print("tools market: %s" % problem, file=sys.stderr)
    return EXIT_FAILED if problems else EXIT_OK


def _problem(arguments):
    """-> what is wrong with the arguments together, or None."""
    if arguments.window < 2 or arguments.limit is not None and arguments.limit < 1 or arguments.kill < 0:
        return "--window must be at least 2, --limit at least 1, --kill at least 0"
    if (arguments.kill or arguments.compare_undisturbed) and not arguments.spawn:
        return "--kill and --compare-undisturbed are for a core of its own: --spawn"
    if arguments.compare_undisturbed and not arguments.kill:
        return "--compare-undisturbed is for a run with --kill"
    if arguments.spawn and (arguments.key_file or arguments.trusted_key_file or arguments.instrument):
        return "--spawn makes its own keys and instruments"
    if not arguments.spawn and not arguments.key_file:
        return "either --spawn, or --key-file of a core that runs"
    if not arguments.spawn and not arguments.instrument and not arguments.trusted_key_file:
        return "--instrument, or --trusted-key-file to define one"
    return None


def _parse_expected(words):
    """["figure=value", ...] -> {figure: value}. Raises ValueError."""
    expected = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in FIGURES or not value.isdigit():
            raise ValueError("--expect %s: FIGURE=VALUE, with a figure of --json and a whole number" % word)
        expected[name] = int(value)
    return expected


def _target(arguments):
    trusted_key = _read_key(arguments.trusted_key_file) if arguments.trusted_key_file else None
    key = _read_key(arguments.key_file)
    return Target(arguments.host, arguments.port, key, arguments.trusted_port, trusted_key)


def _read_key(path):
    """-> (number, secret). Raises OSError, DataError; neither names the contents."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return int(content["key"]), str(content["secret"])
    except (ValueError, KeyError, TypeError):
        raise DataError('%s: not JSON of the form {"key": NUMBER, "secret": TEXT}' % path) from None


def _shortfalls(outcome, undisturbed, arguments, expected):
    """-> [text, ...] of every check that failed."""
    problems = []
    for result in outcome.results:
        bounds = dict(expected)
        if arguments.check:
            bounds.update(known_minimums(result.data_set, arguments.limit is None, result.agreement))
            bounds.update(expected)
        found = shortfalls(result.agreement.figures, bounds)
        problems += ["%s: %s" % (result.data_set.name, text) for text in found]
        if found:
            problems += ["%s: %s" % (result.data_set.name, text) for text in result.agreement.examples]
    if undisturbed is not None:
        if outcome.state_hash != undisturbed.state_hash:
            problems.append("the state hash with kills is not that of the undisturbed run")
        for result, other in zip(outcome.results, undisturbed.results):
            if result.agreement.figures != other.agreement.figures:
                problems.append(
                    "%s: the figures with kills are not those of the undisturbed run" % result.data_set.name
                )
    return problems


# --- output --------------------------------------------------------------------------------------------------------


def _as_json(outcome, undisturbed):
    content = {
        "data_sets": [
            {
                "name": result.data_set.name,
                "instrument": result.instrument,
                "seconds": round(result.seconds, 3),
                "figures": result.agreement.figures,
                "disagreements": result.agreement.examples,
            }
            for result in outcome.results
        ],
        "kills": [{"message": message, "commands_on_their_way": count} for message, count in outcome.kills],
        "state_hash": outcome.state_hash,
    }
    if undisturbed is not None:
        content["undisturbed_state_hash"] = undisturbed.state_hash
    return content


def _as_text(outcome, undisturbed):
    lines = []
    for result in outcome.results:
        figures = result.agreement.figures
        per_second = figures["commands"] / result.seconds
        lines.append("%s, instrument %d" % (result.data_set.name, result.instrument))
        for name, (text, _) in FIGURES.items():
            if figures[name] or not _is_of_other_files(name, result.agreement):
                lines.append("  %-70s %9s" % (text, format(figures[name], ",")))
        lines.append(
            "  %-70s %9.1f" % ("seconds (%s commands a second)" % format(int(per_second), ","), result.seconds)
        )
    if outcome.kills:
        kills = ", ".join("%d (%d)" % kill for kill in outcome.kills)
        lines.append("killed after message (commands on their way): %s" % kills)
    if outcome.state_hash:
        lines.append("state hash  %s" % outcome.state_hash)
    if undisturbed is not None:
        is_equal = "equal" if undisturbed.state_hash == outcome.state_hash else "DIFFERENT"
        lines.append("undisturbed %s: %s" % (undisturbed.state_hash, is_equal))
    return "\n".join(lines)


def _is_of_other_files(name, agreement):
    """Whether a figure that is 0 says nothing here."""
    if name.startswith("deep_"):
        return not agreement.deep_levels
    if name.startswith("rows_") or name in ("depth_revealed", "levels_unexplained"):
        return not agreement.has_full_rows
    return False


@contextlib.contextmanager
def _progress(data_set, messages):
    """Gives progress(messages done), shown on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # only where it is seen: it takes long to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(data_set.name, total=messages)

        def show(done):
            if done % 256 == 0:
                bar.update(task, completed=done)

        yield show
