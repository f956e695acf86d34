"""A bar on the terminal while a backlog is drained; nothing where there is no terminal."""

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

BACKLOG_COMMANDS = 10_000  # behind, from which it is shown


class BacklogBar:
    """Call it with (last command committed, newest of the journal), again and again."""

    def __init__(self, file=sys.stderr):
        self._console = Console(file=file)
        self._bar = None
        self._task = None

    def __call__(self, seq, newest_seq):
        behind = newest_seq - seq
        if self._bar is None and behind >= BACKLOG_COMMANDS and self._console.is_terminal:
            columns = TextColumn("draining the journal"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("", total=newest_seq)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._task, completed=seq, total=newest_seq)
            if behind < BACKLOG_COMMANDS // 10:
                self.close()

    def close(self):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
