"""What comes in is held against its class before any handler sees it: bodies of JSON, and query strings."""

import asyncio
import json
import re
import time
from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import ApiError

MEDIA_TYPE = "application/json"
BODY_SECONDS = web.AppKey("body_seconds", int)  # for a body to come in
BODIES = web.AppKey("bodies", set)  # tasks of requests whose body is still to come
LOOK_SECONDS = 0.01

_at = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_field_in_text = re.compile(r"field `([^`]*)`")


async def read_body(request, cls):
    """-> an instance of cls. Raises ApiError 400, 413, 415 or 422."""
    if request.content_type != MEDIA_TYPE:
        raise ApiError(415, "unsupported_media_type", "the body must be %s" % MEDIA_TYPE)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, "unsupported_media_type", "the body must not be compressed")
    data = await whole_body(request)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ApiError(400, "invalid_json", "the body is not UTF-8") from None
    try:
        body = _decoder(cls).decode(data)
    except msgspec.ValidationError as error:
        raise invalid_field(error, 422) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(400, "invalid_json", str(error)) from None
    refuse_duplicate_keys(text)
    return body


async def whole_body(request):
    """-> bytes. Raises ApiError 400, 408 or 413, the last also through aiohttp."""
    if (request.content_length or 0) > request.client_max_size:  # it is not waited for
        raise ApiError(413, "body_too_large", "request entity too large", headers={"Connection": "close"})
    if request.content.is_eof():  # all of it came with the head
        return await request.read()
    app, task = request.app, asyncio.current_task()
    app[BODIES].add(task)
    try:
        async with asyncio.timeout(app[BODY_SECONDS]):
            return await request.read()
    except TimeoutError:
        close = {"Connection": "close"}
        raise ApiError(408, "body_too_slow", "the body did not come in time", headers=close) from None
    except ConnectionError:  # for the access log: nobody reads it
        raise ApiError(400, "bad_request", "the connection ended before the body") from None
    finally:
        app[BODIES].discard(task)


async def until_bodies_are_in(app, seconds):
    """Those that are under way now, if they come in that time: aiohttp, once it shuts down, drops what it receives."""
    coming = set(app[BODIES])
    end_s = time.monotonic() + seconds
    while coming & app[BODIES] and time.monotonic() < end_s:
        await asyncio.sleep(LOOK_SECONDS)


_decoders: dict = {}


def _decoder(cls):
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    return decoder


def _no_key_twice(pairs):
    if len(dict(pairs)) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ApiError(400, "duplicate_key", "a key is there twice", twice)


def refuse_duplicate_keys(text):
    """Of JSON that msgspec has taken: it takes the last of two. Raises ApiError 400."""
    _keys_decoder.decode(text)


_keys_decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_int=str, parse_float=str)


def read_query(request, cls):
    """-> an instance of cls. Raises ApiError 400."""
    query = request.query
    if not query:
        return _without_query(cls)
    values = dict(query)
    if len(values) < len(query):
        twice = next(name for name in values if len(query.getall(name)) > 1)
        raise ApiError(400, "duplicate_parameter", "a parameter is there twice", twice)
    for name, value in values.items():
        if "\x00" in value or "\ufffd" in value:
            raise ApiError(400, "invalid_parameter", "not text", name)
        if value.lower() == "null":  # msgspec takes it for a parameter that is not there: all, where one was meant
            raise ApiError(400, "invalid_parameter", "leave it out for none", name)
    for name in _integers_of(cls):
        if name in values and not _is_integer(values[name]):  # msgspec takes 1e2 for one
            raise ApiError(400, "invalid_parameter", "not a whole number", name)
    try:
        return msgspec.convert(values, cls, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_field(error, 400, "invalid_parameter") from None


_is_integer = re.compile(r"-?[0-9]{1,18}\Z", re.ASCII).match
_integers: dict = {}


def _integers_of(cls):
    """-> names of the fields that are ints, or null."""
    names = _integers.get(cls)
    if names is None:
        info: Any = msgspec.inspect.type_info(cls)
        names = _integers[cls] = [field.encode_name for field in info.fields if _has_integer(field.type)]
    return names


def _has_integer(kind):
    return isinstance(kind, msgspec.inspect.IntType) or any(map(_has_integer, getattr(kind, "types", ())))


_empty: dict = {}


def _without_query(cls):
    found = _empty.get(cls)
    if found is None:
        try:
            found = _empty[cls] = msgspec.convert({}, cls)
        except msgspec.ValidationError as error:
            raise invalid_field(error, 400, "invalid_parameter") from None
    return found


def invalid_field(error, status, code="invalid_field"):
    """-> ApiError. msgspec tells where in its text: Expected `str`, got `int` - at `$.price`."""
    text = str(error)
    match = _at.search(text)
    message = text[: match.start()] if match else text
    missing = _field_in_text.search(message)
    field = missing.group(1) if missing else match.group(1) if match else None
    return ApiError(status, code, message.replace("`", ""), field)
