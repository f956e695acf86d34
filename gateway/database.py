"""The gateway's reads of Postgres: a few connections, limits on everything, and no waiting for a server that is gone.
Nothing is ever written.

A question waits for a connection and then for its answer, each for a few seconds at most; else it fails with 503
history_unavailable. While the server cannot be reached one attempt is made every RETRY_SECONDS, and everybody else
fails at once.
"""

import asyncio
import logging

import psycopg2
from aiohttp import web
from aiopg.connection import Connection
from psycopg2 import errors, extensions

from gateway.config import ConfigError
from gateway.errors import history_unavailable

CONNECTIONS_MAX = 8  # of a gateway; what is asked beyond waits
WAITING_MAX = 200  # questions at a time, asked and waiting; beyond, they fail at once
CONNECT_SECONDS = 2.0  # for a connection, made or waited for
QUERY_SECONDS = 3.0
STATEMENT_MS = 5_000  # then the server gives up a query, which nobody has waited for any more
RETRY_SECONDS = 0.5

_OPTIONS = "-c default_transaction_read_only=on -c timezone=UTC -c statement_timeout=%d" % STATEMENT_MS
_NUMERIC_OID = 1700
_numeric_as_text = extensions.new_type((_NUMERIC_OID,), "NUMERIC_TEXT", lambda text, cursor: text)
#: What a connection that died is found out by; RuntimeError is uvloop's.
_DEAD = (psycopg2.OperationalError, psycopg2.InterfaceError, RuntimeError)
_NOT_OUR_TABLES = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)

log = logging.getLogger("gateway")


class Database:
    """`await rows(sql, parameters)`; close() it. It connects when it is asked for the first time.

    It keeps connections itself, since aiopg.Pool lets everybody try a server that is gone, and cannot be told of the
    socket that a failed attempt leaves in uvloop's table.
    """

    def __init__(self, url):
        """Raises ConfigError for what is no address of a database; empty: there is none."""
        try:
            extensions.parse_dsn(url)
        except psycopg2.ProgrammingError:
            raise ConfigError("database_url must be like postgresql://user:password@host:port/name") from None
        self._url = url
        self._idle = []  # connections; the one used last is the next
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._connecting = asyncio.Lock()
        self._asked = 0
        self._retry_at = 0.0  # loop time; before it nobody tries to connect
        self._is_reached = True  # as far as is known; its changes are logged

    @property
    def is_configured(self):
        return bool(self._url)

    def close(self):
        while self._idle:
            self._idle.pop().close()

    async def row(self, sql, parameters=()):
        """-> the first row, or None. Raises ApiError 503."""
        found = await self.rows(sql, parameters)
        return found[0] if found else None

    async def rows(self, sql, parameters=()):
        """One SELECT -> list of tuples: numeric as text, times as datetimes in UTC. Raises ApiError 503."""
        if not self._url:
            raise history_unavailable("this gateway has no database")
        if self._asked >= WAITING_MAX:
            raise history_unavailable("too many questions to the database at a time")
        self._asked += 1
        try:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._places.acquire()
            except TimeoutError:
                raise history_unavailable("the database is busy") from None
            try:
                return await self._ask(sql, parameters)
            finally:
                self._places.release()
        finally:
            self._asked -= 1

    async def _ask(self, sql, parameters):
        """On a kept connection, which may turn out to have died, else on a new one."""
        connection = self._kept()
        if connection is not None:
            try:
                return await self._fetch(connection, sql, parameters)
            except _DEAD:
                pass
        connection = await self._connect()
        try:
            return await self._fetch(connection, sql, parameters)
        except _DEAD as error:
            raise self._lost(error) from None

    def _kept(self):
        """-> an idle connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self):
        async with self._connecting:
            loop = asyncio.get_running_loop()
            if loop.time() < self._retry_at:
                raise history_unavailable()
            fd = None
            try:
                connection = Connection(
                    self._url,
                    CONNECT_SECONDS,
                    enable_hstore=False,
                    enable_uuid=False,
                    options=_OPTIONS,
                    application_name="gateway",
                )
                fd = connection.raw.fileno()
                await connection
            except (psycopg2.Error, RuntimeError, TimeoutError) as error:
                _forget(loop, fd)
                raise self._lost(error) from None
        extensions.register_type(_numeric_as_text, connection.raw)
        if not self._is_reached:
            self._is_reached = True
            log.info("the database can be reached again")
        return connection

    async def _fetch(self, connection, sql, parameters):
        """Keeps the connection where it is still good. Raises _DEAD errors, ApiError 503."""
        is_good = False
        try:
            async with connection.cursor(timeout=QUERY_SECONDS) as cursor:
                await cursor.execute(sql, parameters)
                found = await cursor.fetchall()
            is_good = True
            return found
        except TimeoutError:
            raise history_unavailable("the database did not answer in time") from None
        except _NOT_OUR_TABLES as error:
            log.error("not the tables that are expected: %s", _first_line(error))
            raise history_unavailable("the database does not have the tables that are expected") from None
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():
                raise
            raise history_unavailable("the database gave up the query") from None  # aiopg tells it like this
        finally:
            if is_good:
                self._idle.append(connection)
            else:
                connection.close()

    def _lost(self, error):
        """-> the ApiError for it."""
        self._retry_at = asyncio.get_running_loop().time() + RETRY_SECONDS
        if self._is_reached:
            self._is_reached = False
            log.error("the database cannot be reached: %s", _first_line(error))
        return history_unavailable()


def _forget(loop, fd):
    """Of an attempt that failed, uvloop may keep the socket's number as one that is written to, and then refuses the
    next socket of that number."""
    if fd is not None:
        try:
            loop.remove_writer(fd)
        except (RuntimeError, OSError):
            log.debug("socket %d has another owner already", fd)


def _first_line(error):
    """libpq's own words: they name host, user and database, never the password."""
    return (str(error).splitlines() or [type(error).__name__])[0]


DATABASE = web.AppKey("database", Database)
