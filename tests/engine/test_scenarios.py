"""The scenarios of tests/scenarios, each run by the exchange and by the naive model; and the table that names them."""

import re
from pathlib import Path

import pytest

from tests.model import Model
from tests.scenario import Scenario, ScenarioError
from tests.venues import FastVenue, ModelVenue

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
CONVENTIONS = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"
PATHS = sorted(SCENARIOS.glob("*.txt"))


def on_exchange(monkeypatch):
    return Scenario(FastVenue(monkeypatch))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_exchange_gives_what_the_scenario_says(path, monkeypatch, pytestconfig):
    text = path.read_text()
    given = on_exchange(monkeypatch).run(text)
    if pytestconfig.getoption("--rewrite") and given != text:
        path.write_text(given)
        text = given
    assert given == text


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_model_gives_what_the_scenario_says(path):
    text = path.read_text()
    assert Scenario(ModelVenue(Model())).run(text) == text


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_scenario_opens_with_what_it_shows(path):
    assert path.read_text().startswith("# ")


# --- the language ----------------------------------------------------------------------------------------------------


def test_what_a_scenario_says_is_replaced_by_what_happens(monkeypatch):
    text = "# A comment.\ndefine GOLD\n  Nonsense\n\nalice buy 5 at 100 as a\nbook\n  GOLD bids 100: a 4\n"
    assert on_exchange(monkeypatch).run(text).splitlines() == [
        "# A comment.",
        "define GOLD",
        "  InstrumentDefined venue GOLD tick=1 lot=1 collar_bps=1000 symbol=GOLD",
        "",
        "alice buy 5 at 100 as a",
        "  OrderAccepted alice a GOLD buy limit gtc price=100 quantity=5 open_quantity=5",
        "book",
        "  GOLD bids 100: a 5",
        "  GOLD asks: none",
    ]


@pytest.mark.parametrize(
    "line",
    ["nonsense", "alice", "alice buy", "alice buy 5", "alice buy 5 at 100 nonsense", "alice cancel nothing",
     "alice buy 5 at 100 colour=red", "alice buy 5 at 100 in SILVER", "given alice buy 0 at 100", "eve buy 5 at 100"],
)  # fmt: skip
def test_what_cannot_be_understood_is_said_with_its_line(monkeypatch, line):
    with pytest.raises(ScenarioError, match="^line 2, "):
        on_exchange(monkeypatch).run("given define GOLD\n" + line + "\n")


# --- the table -------------------------------------------------------------------------------------------------------


def rows():
    """-> [(rule, [scenario, ...]), ...] of the tables in docs/conventions.md; a row's last cell names the scenarios."""
    found = []
    for line in CONVENTIONS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[-1] != "scenarios" and not set(cells[-1]) <= {"-"}:
            found.append((cells[0], re.findall(r"\(\.\./tests/scenarios/([a-z0-9-]+\.txt)\)", cells[-1])))
    return found


def test_every_row_of_the_conventions_names_scenarios_that_exist():
    assert len(rows()) > 30
    existing = [path.name for path in PATHS]
    assert [rule for rule, names in rows() if not names] == []
    assert [name for _, names in rows() for name in names if name not in existing] == []


def test_every_scenario_is_named_by_a_row_of_the_conventions():
    named = [name for _, names in rows() for name in names]
    assert [path.name for path in PATHS if path.name not in named] == []
