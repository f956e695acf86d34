"""A real Postgres for tests: one private cluster for the whole run, and a fresh, migrated database for each test.

Fixtures in conftest.py: `postgres` is the Cluster, `database` the address of an empty database with our schema.
"""

import contextlib
import itertools
import tempfile

import psycopg2

from persistence.cluster import Cluster
from persistence.migrate import migrate

#: No test pulls the plug: what the kernel has is safe.
FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_wal_size": "1GB"}
TEMPLATE = "template_venue"

_numbers = itertools.count(1)


@contextlib.contextmanager
def running_cluster():
    """A Cluster with the template of `database`s in it. Not below pytest's own directories: those are the user's alone,
    and where that is root, Postgres is run by another."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as directory:
        cluster = Cluster(directory, settings=FAST).start()
        try:
            create_database(cluster, TEMPLATE, "template0")
            migrate(url_of(cluster, TEMPLATE))
            yield cluster
        finally:
            cluster.stop("immediate")


def url_of(cluster, name):
    """-> address of another database of the cluster."""
    return cluster.url.rpartition("/")[0] + "/" + name


def fresh_database(cluster, template=TEMPLATE):
    """-> name of a new database; `template` "template0" gives an empty one."""
    name = "test_%d" % next(_numbers)
    create_database(cluster, name, template)
    return name


def create_database(cluster, name, template, tablespace="pg_default"):
    execute(cluster, 'CREATE DATABASE "%s" TEMPLATE "%s" TABLESPACE "%s"' % (name, template, tablespace))


def drop_database(cluster, name):
    execute(cluster, 'DROP DATABASE "%s" WITH (FORCE)' % name)


def execute(cluster, statement):
    """Outside a transaction, as some statements have to be."""
    with contextlib.closing(psycopg2.connect(url_of(cluster, "postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def query(url, statement, parameters=None):
    """-> rows of one statement, in a transaction of its own that is committed."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
