"""Brings a database to the schema of this version: the files of migrations/, each once, in order, forward only.

A migration that was applied is never edited: its checksum is kept with the database and compared at every start.
"""

import contextlib
import hashlib
import time
from pathlib import Path

import attrs
import psycopg2

DIRECTORY = Path(__file__).parent / "migrations"
#: Held while migrating, so that of two processes one waits; any number, ours alone.
LOCK = 7_253_001
LOCK_SECONDS = 0.1  # between two tries to have it
CONNECT_SECONDS = 10

_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version integer PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


class SchemaError(Exception):
    """The database's schema is not one that this version can bring forward; the text says why."""


@attrs.frozen
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self):
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()


def read_migrations(directory=DIRECTORY):
    """-> [Migration, ...] of a directory, in order. Raises SchemaError where a number is missing or there twice."""
    migrations = []
    for path in sorted(Path(directory).glob("*.sql")):
        version, _, name = path.stem.partition("_")
        migrations.append(Migration(int(version), name, path.read_text(encoding="utf-8")))
        if migrations[-1].version != len(migrations):
            raise SchemaError("%s: migration %d should follow" % (path.name, len(migrations)))
    return migrations


def migrate(url, migrations=None, is_stopped=lambda: False):
    """Apply what is missing. -> [Migration, ...] applied now; none where `is_stopped` says so while another one
    migrates. Raises SchemaError; psycopg2.Error.

    Each migration and its entry are one transaction: a crash between two leaves the first applied.
    """
    migrations = read_migrations() if migrations is None else migrations
    connection = psycopg2.connect(url, application_name="persistence migrate", connect_timeout=CONNECT_SECONDS)
    with contextlib.closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not _try_lock(cursor):
                if is_stopped():
                    return []
                time.sleep(LOCK_SECONDS)
            cursor.execute("SET client_min_messages = warning")
            applied = applied_migrations(cursor)
            check(applied, migrations)
            missing = migrations[len(applied) :]
            if missing and not applied:
                cursor.execute(_TABLE)
            for migration in missing:
                _apply(cursor, migration)
    return missing


def _try_lock(cursor):
    """-> whether it is ours until the connection is closed."""
    cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
    return cursor.fetchone()[0]


def _apply(cursor, migration):
    cursor.execute("BEGIN")
    try:
        cursor.execute(migration.sql)
        cursor.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
            (migration.version, migration.name, migration.checksum),
        )
        cursor.execute("COMMIT")
    except psycopg2.Error:
        cursor.execute("ROLLBACK")
        raise


def applied_migrations(cursor):
    """-> [(version, name, checksum), ...] of a database, in order; none for an empty one."""
    cursor.execute("SELECT to_regclass('schema_migrations')")
    if cursor.fetchone()[0] is None:
        return []
    cursor.execute("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
    return cursor.fetchall()


def check(applied, migrations):
    """Raises SchemaError where what was applied is not the beginning of `migrations`."""
    if len(applied) > len(migrations):
        text = "the database has schema version %d, of a newer version of this program, which knows %d"
        raise SchemaError(text % (applied[-1][0], len(migrations)))
    for (version, name, checksum), migration in zip(applied, migrations):
        if (version, name) != (migration.version, migration.name):
            raise SchemaError("the database has migration %d %r, not %r" % (version, name, migration.name))
        if checksum != migration.checksum:
            text = "migration %04d_%s was changed after it was applied: put it back, and add a new one"
            raise SchemaError(text % (version, name))
