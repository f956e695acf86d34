"""Who may import what, and what the pure core may not use. To allow something, add it to a table here and say why.

The tables are allow lists: what a file may import is listed, for a list of what it may not would forget something. They
are held against the syntax tree of every file, so a rule can still be broken on purpose; not by accident.
"""

import ast
from fnmatch import fnmatch
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"engine", "gateway", "perf", "persistence", "protocol", "tests", "tools"}
PYTHON_39 = {"engine", "protocol", "tools"}  # what PyPy runs

# --- what may not be used, and why ---------------------------------------------------------------------------------

IO = {
    "open": "does I/O",
    "print": "does I/O",
    "input": "does I/O",
    "__import__": "imports what this test cannot see",
}
NOT_EXACT = {
    "float": "is not exact",
    "set": "has another order on PyPy than on CPython",
    "frozenset": "has another order on PyPy than on CPython",
    "hash": "differs from run to run",
    "id": "differs from run to run",
    "eval": "runs what this test cannot see",
    "exec": "runs what this test cannot see",
}
SURROUNDINGS = {
    "sys.argv": "is for __main__ to read",
    "os.environ": "is for __main__ to read",
    "os.environb": "is for __main__ to read",
    "os.getenv": "is for __main__ to read",
    "*.time": "is a clock, for __main__ to read",  # loop.time()
}

# --- who may import what -------------------------------------------------------------------------------------------

ANYTHING = "*"  # of the standard library and of others; of our own packages only what is named beside it
PURE_STANDARD = {"bisect", "collections", "hashlib", "heapq", "itertools", "struct", "typing", "zlib"}
SHELL_STANDARD = {
    "asyncio", "base64", "contextlib", "errno", "fcntl", "functools", "gc", "json", "logging", "os", "pathlib",
    "random", "secrets", "signal", "socket", "ssl", "sys", "threading", "tomllib",
}  # fmt: skip


@attrs.frozen
class Group:
    """Files under one rule. A pure group imports only pure groups of ours."""

    files: tuple  # patterns
    imports: set  # modules, each with all below it
    pure: bool = False
    names: dict = attrs.field(factory=dict)  # builtins it may not use -> why
    attributes: dict = attrs.field(factory=dict)  # of modules ("os.environ") or of anything ("*.time") -> why
    exact: bool = False  # whether arithmetic must be of ints, and order that of insertion


#: A file belongs to the first group with a pattern for it.
GROUPS = [
    Group(
        files=("protocol/client.py", "protocol/dispatch.py", "protocol/link.py", "protocol/stream.py"),
        imports=PURE_STANDARD | {"asyncio", "contextlib", "random", "secrets", "ssl", "time", "attrs", "protocol"},
        names=IO,
    ),
    Group(
        files=("protocol/journal.py",),
        imports=PURE_STANDARD | {"os", "attrs", "protocol"},
    ),
    Group(
        files=("protocol/*",),
        imports=PURE_STANDARD | {"base64", "hmac", "attrs", "msgpack", "protocol"},
        pure=True,
        names=IO,
    ),
    Group(
        files=("engine/__main__.py",),
        imports=PURE_STANDARD
        | SHELL_STANDARD
        | {"argparse", "resource", "time", "attrs", "hdrh", "prometheus_client", "uvloop", "engine", "protocol"},
    ),
    Group(files=("engine/__init__.py",), imports={"sys", "pypyjit"}),
    Group(
        files=(
            "engine/collector.py",
            "engine/config.py",
            "engine/credentials.py",
            "engine/disk.py",
            "engine/journal.py",
            "engine/metrics.py",
            "engine/recovery.py",
            "engine/sequencer.py",
            "engine/server.py",
            "engine/session.py",
            "engine/snapshots.py",
            "engine/warmup.py",
            "engine/warmup_trader.py",
        ),
        imports=PURE_STANDARD
        | SHELL_STANDARD
        | {"attrs", "hdrh", "msgpack", "prometheus_client", "tomli", "engine", "protocol"},
        attributes=SURROUNDINGS,
    ),
    Group(
        files=("engine/*",),
        imports=PURE_STANDARD | {"attrs", "msgpack", "sortedcontainers", "engine", "protocol"},
        pure=True,
        names={**IO, **NOT_EXACT},
        attributes=SURROUNDINGS,
        exact=True,
    ),
    Group(files=("gateway/*",), imports={ANYTHING, "gateway", "protocol"}),
    Group(files=("persistence/*",), imports={ANYTHING, "persistence", "protocol"}),
    Group(files=("tools/*",), imports={ANYTHING} | PACKAGES - {"tests", "perf"}),
    Group(files=("tests/*", "perf/*"), imports={ANYTHING} | PACKAGES),
]

# --- the checks ----------------------------------------------------------------------------------------------------


def group_of(path):
    for group in GROUPS:
        if any(fnmatch(path, pattern) for pattern in group.files):
            return group
    raise AssertionError("%s belongs to no group" % path)


def violations(path, source):
    """-> ["line: what is wrong", ...] for a file's path below ROOT and its text."""
    tree = ast.parse(source, path)
    group = group_of(path)
    imported = list(_imported(tree, path))
    found = [(line, _wrong_import(group, module)) for line, module, _ in imported]
    found += _wrong_names(group, tree)
    found += _wrong_attributes(group, tree, imported)
    if group.exact:
        found += _not_exact(tree)
    return ["%d: %s" % (line, problem) for line, problem in sorted(found, key=lambda pair: pair[0]) if problem]


def _imported(tree, path):
    """-> (line, what is imported, the name it gets here) of every import, wherever it stands in the file."""
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                module = ".".join(base + ([node.module] if node.module else []) + [alias.name])
                yield node.lineno, module, alias.asname or alias.name


def _wrong_import(group, module):
    top, *rest = module.split(".")
    if not any((module + ".").startswith(allowed + ".") for allowed in group.imports):
        if top in PACKAGES or ANYTHING not in group.imports:
            return "may not import %s" % module
    elif group.pure and top in PACKAGES and not group_of("%s/%s.py" % (top, (rest or ["__init__"])[0])).pure:
        return "is pure and may not import %s, which is not" % module
    return None


def _wrong_names(group, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in group.names:
            yield node.lineno, "%s %s" % (node.id, group.names[node.id])


def _wrong_attributes(group, tree, imported):
    for line, module, _ in imported:  # from os import environ
        if module in group.attributes:
            yield line, "%s %s" % (module, group.attributes[module])
    module_of = {}
    for _, module, name in imported:
        top = name.split(".")[0]  # `import os.path` makes the name os
        module_of[top] = top if name == module else module
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = module_of.get(node.value.id) if isinstance(node.value, ast.Name) else None
            for name in ("%s.%s" % (owner, node.attr), "*." + node.attr):
                if name in group.attributes:
                    yield node.lineno, "%s %s" % (name, group.attributes[name])


def _not_exact(tree):
    for node in ast.walk(tree):
        operator = node.op if isinstance(node, (ast.BinOp, ast.AugAssign)) else None
        if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            yield node.lineno, "%r is not exact" % node.value
        elif isinstance(operator, ast.Div):
            yield node.lineno, "/ is not exact"
        elif isinstance(operator, ast.Pow) and isinstance(node, ast.BinOp) and isinstance(node.right, ast.UnaryOp):
            yield node.lineno, "** of a negative number is not exact"
        elif isinstance(node, (ast.Set, ast.SetComp)):
            yield node.lineno, "a set has another order on PyPy than on CPython"
        elif isinstance(operator, (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)) and _has_keys_view(node):
            yield node.lineno, "keys() %s makes a set" % type(operator).__name__


def _has_keys_view(node):
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    return any(
        isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) and side.func.attr in ("keys", "items")
        for side in sides
    )


# --- the tests -----------------------------------------------------------------------------------------------------

FILES = sorted(str(file.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_file_keeps_to_its_group(path):
    found = violations(path, (ROOT / path).read_text())
    assert found == [], "\n".join([path] + found)


@pytest.mark.parametrize("path", [path for path in FILES if path.split("/")[0] in PYTHON_39])
def test_core_side_is_python_39(path):
    ast.parse((ROOT / path).read_text(), path, feature_version=(3, 9))


def test_python_stands_in_the_packages_only():
    folders = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    with_python = {folder.name for folder in folders if any(folder.rglob("*.py"))}
    assert with_python - PACKAGES == set()
    assert list(ROOT.glob("*.py")) == []


BROKEN = [
    ("protocol/codec.py", "import asyncio", "1: may not import asyncio"),
    ("protocol/codec.py", "from os import path", "1: may not import os.path"),
    ("protocol/codec.py", "import engine.book", "1: may not import engine.book"),
    ("protocol/codec.py", "def f():\n    import time", "2: may not import time"),
    ("protocol/codec.py", "open('x')", "1: open does I/O"),
    ("protocol/codec.py", "from protocol.client import Client", "1: is pure and may not import protocol.client.Client"),
    ("protocol/codec.py", "from .client import Client", "1: is pure and may not import protocol.client.Client"),
    ("protocol/client.py", "import engine", "1: may not import engine"),
    ("engine/book.py", "import time", "1: may not import time"),
    ("engine/book.py", "import random", "1: may not import random"),
    ("engine/book.py", "import asyncio.events", "1: may not import asyncio.events"),
    ("engine/book.py", "import os", "1: may not import os"),
    ("engine/book.py", "import numpy", "1: may not import numpy"),
    ("engine/book.py", "import bisecting", "1: may not import bisecting"),
    ("engine/book.py", "from gateway import app", "1: may not import gateway.app"),
    ("engine/book.py", "from engine import disk", "1: is pure and may not import engine.disk, which is not"),
    ("engine/book.py", "from engine.disk import sync", "1: is pure and may not import engine.disk.sync"),
    ("engine/book.py", "from . import disk", "1: is pure and may not import engine.disk, which is not"),
    ("engine/book.py", "from .disk import sync", "1: is pure and may not import engine.disk.sync"),
    ("engine/book.py", "import protocol.client", "1: is pure and may not import protocol.client"),
    ("engine/a_new_file.py", "import logging", "1: may not import logging"),
    ("engine/book.py", "print(1)", "1: print does I/O"),
    ("engine/book.py", "__import__('os')", "1: __import__ imports"),
    ("engine/book.py", "exec('import os')", "1: exec runs"),
    ("engine/book.py", "x = 1.0", "1: 1.0 is not exact"),
    ("engine/book.py", "x = 1e3", "1: 1000.0 is not exact"),
    ("engine/book.py", "x = a / b", "1: / is not exact"),
    ("engine/book.py", "x /= b", "1: / is not exact"),
    ("engine/book.py", "x = 10 ** -2", "1: ** of a negative number is not exact"),
    ("engine/book.py", "x = float(1)", "1: float is not exact"),
    ("engine/book.py", "x = map(float, y)", "1: float is not exact"),
    ("engine/book.py", "x = {1, 2}", "1: a set has another order"),
    ("engine/book.py", "x = {y for y in z}", "1: a set has another order"),
    ("engine/book.py", "x = set()", "1: set has another order"),
    ("engine/book.py", "x = frozenset(y)", "1: frozenset has another order"),
    ("engine/book.py", "x = a.keys() & b", "1: keys() BitAnd makes a set"),
    ("engine/book.py", "x = hash(y)", "1: hash differs"),
    ("engine/book.py", "x = id(y)", "1: id differs"),
    ("engine/server.py", "import time", "1: may not import time"),
    ("engine/server.py", "import argparse", "1: may not import argparse"),
    ("engine/server.py", "import persistence.rows", "1: may not import persistence.rows"),
    ("engine/server.py", "import sys\nsys.argv", "2: sys.argv is for __main__"),
    ("engine/server.py", "import os\nos.environ['X']", "2: os.environ is for __main__"),
    ("engine/server.py", "import os.path\nos.environ['X']", "2: os.environ is for __main__"),
    ("engine/server.py", "import os as system\nsystem.getenv('X')", "2: os.getenv is for __main__"),
    ("engine/server.py", "from os import environ", "1: os.environ is for __main__"),
    ("engine/server.py", "self.loop.time()", "1: *.time is a clock"),
    ("engine/__main__.py", "import gateway", "1: may not import gateway"),
    ("gateway/app.py", "import engine.book", "1: may not import engine.book"),
    ("gateway/app.py", "from tools import load", "1: may not import tools.load"),
    ("persistence/store.py", "from engine.book import Book", "1: may not import engine.book.Book"),
    ("persistence/store.py", "from gateway import schema", "1: may not import gateway.schema"),
    ("tools/load.py", "from tests import model", "1: may not import tests.model"),
]


@pytest.mark.parametrize("path, source, expected", BROKEN)
def test_a_broken_rule_is_seen(path, source, expected):
    (violation,) = violations(path, source)
    assert violation.startswith(expected)


KEPT = [
    ("protocol/codec.py", "import struct\nimport msgpack\nfrom protocol.errors import ProtocolError\nexec(1 / 2)"),
    ("protocol/client.py", "import asyncio, time\nfrom protocol import codec\ntime.time_ns()"),
    (
        "engine/book.py",
        "from engine import orders\nfrom . import orders\nimport protocol.codec\nx = a // b ** 2 | {}.get(1)",
    ),
    ("engine/server.py", "import os, asyncio\nfrom engine.disk import sync\nos.fsync(1.5 / 2)\nprint({1})"),
    ("engine/__main__.py", "import sys, time, os\nfrom engine import server\nsys.argv, os.environ, time.time_ns()"),
    ("gateway/app.py", "import aiohttp, time\nfrom gateway import schema\nfrom protocol.client import Client"),
    ("tools/load.py", "import hdrh, engine.book, persistence.tail"),
    ("tests/engine/test_book.py", "from tests import model\nfrom engine.book import Book"),
]


@pytest.mark.parametrize("path, source", KEPT)
def test_what_is_allowed_is_not_reported(path, source):
    assert violations(path, source) == []


def test_newer_grammar_is_seen():
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n    case 1: pass", feature_version=(3, 9))


def test_a_file_of_no_group_is_seen():
    with pytest.raises(AssertionError, match="belongs to no group"):
        violations("common/utils.py", "")
