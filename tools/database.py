"""How the tools reach Postgres: by DATABASE_URL or --database, one connection, errors that a person can use."""

import contextlib
import os

from tools.console import Failed

URL_VARIABLE = "DATABASE_URL"


def add_database_argument(parser):
    parser.add_argument("--database", metavar="URL", help="postgresql://... (default: $%s)" % URL_VARIABLE)


@contextlib.contextmanager
def connected(arguments, **session):
    """A psycopg2 connection, of which each `with` block is one transaction. `session`: of set_session, such as
    readonly=True. Raises Failed for what Postgres says, here and in the block."""
    import psycopg2

    url = arguments.database or os.environ.get(URL_VARIABLE, "")
    if not url:
        raise Failed("which database? Give --database URL, or set %s" % URL_VARIABLE)
    try:
        connection = psycopg2.connect(url)
        try:
            connection.set_session(**session)
            yield connection
        finally:
            connection.close()
    except psycopg2.errors.UndefinedTable:
        raise Failed("this database has not been set up, or by another version: start persistence once") from None
    except psycopg2.Error as error:
        raise Failed("Postgres: %s" % (str(error).strip() or type(error).__name__)) from None
