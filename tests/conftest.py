"""What every test run needs: which tests this interpreter takes, and how far hypothesis searches."""

import os
import resource
import sys

import pytest
from hypothesis import HealthCheck, settings

# Gateway, persistence and what serves them are CPython's; the rest runs under both interpreters.
CPYTHON_ONLY = ["gateway", "persistence", "tools/db", "tools/reconcile", "tools/wallet", "tools/test_api_keys.py"]
collect_ignore = CPYTHON_ONLY if sys.implementation.name == "pypy" else []

# No deadlines: a first call under a tracing JIT takes a hundred times the second.
_common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# In CI the same examples on every run: a failure there is the change's, and anyone can have it again.
settings.register_profile("ci", _common, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("dev", _common, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write anew what tests/scenarios say that commands give")


@pytest.fixture(scope="session")
def postgres():
    """The test run's own cluster (persistence.cluster.Cluster)."""
    from tests.postgres import running_cluster  # CPython alone has what it needs

    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def many_files():
    """Room for the tests' own ends of a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_000 + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("this machine allows a process %d files" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def database(postgres):
    """Address of a database of this test alone, with our schema and nothing in it."""
    from tests.postgres import drop_database, fresh_database, url_of

    name = fresh_database(postgres)
    yield url_of(postgres, name)
    drop_database(postgres, name)
