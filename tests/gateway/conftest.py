"""Venues for the tests of the gateway; tests/gateway/live.py says what they are."""

import pytest
import pytest_asyncio

from tests.gateway.archive import Archive
from tests.gateway.live import LiveVenue, exchange_of
from tests.postgres import fresh_database, url_of


@pytest.fixture(scope="session")
def live(tmp_path_factory, postgres):
    """The venue that tests share: core, drainer and gateway. Nobody may stop or kill anything of it."""
    venue = LiveVenue(tmp_path_factory.mktemp("live"), url_of(postgres, fresh_database(postgres)))
    try:
        venue.start_core()
        venue.start_drainer()
        venue.start_gateway()
        yield venue
    finally:
        venue.close()


@pytest_asyncio.fixture
async def exchange(live):
    async with exchange_of(live) as made:
        yield made


@pytest.fixture
def another_gateway(live):
    """start(**settings) gives a further gateway of the shared venue, for this test alone."""

    def start(**settings):
        gateway = live.start_gateway(2, **settings)
        live.gateways.remove(gateway)  # it is not the one that others ask
        started.append(gateway)
        return gateway

    started = []
    yield start
    for gateway in started:
        gateway.kill()


@pytest.fixture
def own_venue(tmp_path):
    """A LiveVenue of this test alone, in which nothing runs yet."""
    venue = LiveVenue(tmp_path)
    try:
        yield venue
    finally:
        venue.close()


@pytest.fixture
def own_history(tmp_path, postgres):
    """An own_venue with a database of its own."""
    venue = LiveVenue(tmp_path, url_of(postgres, fresh_database(postgres)))
    try:
        yield venue
    finally:
        venue.close()


@pytest.fixture(scope="session")
def archive(live, postgres):
    """A second gateway of the shared venue, with a database of its own that tests fill."""
    database = url_of(postgres, fresh_database(postgres))
    gateway = live.start_gateway(3, database_url=database)
    live.gateways.remove(gateway)  # it is not the one that others ask
    live.other_urls.append(gateway.url)
    return Archive(gateway.url, database)
