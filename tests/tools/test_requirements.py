"""The pinned versions lie in the ranges that pyproject.toml promises, and what it promises is pinned."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

try:
    import tomllib
except ImportError:  # PyPy 3.9
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tools" / "requirements").glob("*.txt"))


def pins_of(file):
    lines = [re.split(r"(?:^|\s)#", line)[0].strip() for line in file.read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


def promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [
        Requirement(line) for line in project["dependencies"] + [line for extra in extras.values() for line in extra]
    ]


PINS = {pin.name.lower(): pin for file in FILES for pin in pins_of(file)}


def test_each_package_is_pinned_exactly_and_to_one_version():
    pins = [pin for file in FILES for pin in pins_of(file)]
    assert [str(pin) for pin in pins if [part.operator for part in pin.specifier] != ["=="]] == []
    assert len({(pin.name.lower(), str(pin.specifier)) for pin in pins}) == len(PINS)


@pytest.mark.parametrize("requirement", promised(), ids=str)
def test_pin_lies_in_the_promised_range(requirement):
    (pin,) = PINS[requirement.name.lower()].specifier
    assert requirement.specifier.contains(pin.version)
    if requirement.marker is not None:
        assert str(requirement.marker) == str(PINS[requirement.name.lower()].marker)
