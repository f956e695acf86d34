"""On a terminal a backlog shows a bar; elsewhere nothing does."""

import contextlib
import io
import os
import pty

import pytest

from persistence.progress import BACKLOG_COMMANDS, BacklogBar


@pytest.fixture
def terminal(monkeypatch):
    """-> (a text file that is a terminal, what reads all that was shown on it)"""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    file = open(theirs, "w", encoding="utf-8")

    def shown():
        file.close()
        data = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed, and all has been read
            while part := os.read(ours, 1 << 16):
                data += part
        return data.decode()

    yield file, shown
    file.close()
    os.close(ours)


def catch_up(bar, backlog):
    for seq in range(0, backlog + 1, backlog // 4):
        bar(seq, backlog)
    bar.close()


def test_a_terminal_is_shown_how_far_it_is(terminal):
    file, shown = terminal
    catch_up(BacklogBar(file), 2 * BACKLOG_COMMANDS)
    text = shown()
    assert "draining the journal" in text and "/%d" % (2 * BACKLOG_COMMANDS) in text


def test_a_terminal_is_not_bothered_with_a_few(terminal):
    file, shown = terminal
    catch_up(BacklogBar(file), BACKLOG_COMMANDS - 1)
    assert shown() == ""


def test_a_log_has_no_bar_in_it():
    file = io.StringIO()
    catch_up(BacklogBar(file), 2 * BACKLOG_COMMANDS)
    assert file.getvalue() == ""
