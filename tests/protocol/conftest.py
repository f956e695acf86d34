"""A running core for the tests that need one."""

import pytest

from tests.protocol.core import CoreProcess


@pytest.fixture(scope="session")
def core(tmp_path_factory):
    core = CoreProcess(tmp_path_factory.mktemp("core"))
    core.start()
    yield core
    core.stop()
