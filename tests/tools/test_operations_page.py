"""docs/operations.md says what is: its tables are the code's."""

import json
import re
from pathlib import Path

import attrs

from engine.collector import Collector
from engine.config import Config
from engine.metrics import metrics_text
from tests.harness import Venue, serving

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def rows_of(heading):
    """-> the cells of each row of the table under a heading, without its head."""
    section = PAGE.split("\n## %s\n" % heading)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_table_of_settings_is_the_config():
    settings = [
        ["`%s`" % field.name, "`%s`" % json.dumps(field.default), field.metadata["help"]]
        for field in attrs.fields(Config)
    ]
    assert rows_of("Settings") == settings


async def test_the_table_of_metrics_names_every_metric(tmp_path):
    async with serving(Venue(tmp_path)) as core:
        core.server.collector = Collector()
        text = metrics_text(core.server).decode()
    exported = re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)
    named = re.findall(r"`(core_\w+)", " ".join(row[0] for row in rows_of("Metrics")))
    assert sorted(named) == sorted(exported)


def test_links_within_the_page_lead_somewhere():
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert [link for link in re.findall(r"\(#([\w-]+)\)", PAGE) if link not in anchors] == []
