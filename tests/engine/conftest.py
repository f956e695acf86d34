"""On CPython the core runs on uvloop; so do the tests that have it in their own process."""

import sys

import pytest


@pytest.fixture
def event_loop_policy():
    if sys.implementation.name == "cpython":
        import uvloop

        return uvloop.EventLoopPolicy()
    import asyncio

    return asyncio.DefaultEventLoopPolicy()
