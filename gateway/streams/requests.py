"""What clients ask for on a socket, and the answers."""

from functools import partial

from gateway.admission import identify_token
from gateway.core import CORE
from gateway.errors import ApiError
from gateway.streams.hub import STREAMS
from gateway.streams.messages import Authenticated, Error, Pong, Unsubscribed
from gateway.streams.topics import Authenticate, Ping, Resume, Unsubscribe, id_of, request_of, topic_of


async def carry_out(app, client, text):
    """The text of a message from the client. Whatever is wrong with it is answered with an Error, and is all that the
    message does."""
    streams = app[STREAMS]
    try:
        asked = request_of(text)
        cls = type(asked)
        if cls is Ping:
            client.send(Pong(id=asked.id, **streams.stamp()).frame())
        elif cls is Authenticate:
            _authenticate(app, client, asked)
        else:
            topic = topic_of(asked, app[CORE].market, client.default_symbol)
            if cls is Unsubscribe:
                streams.unsubscribe(client, topic)
                client.send(streams.of_topic(Unsubscribed, topic, asked.id).frame())
            else:
                await streams.subscribe(client, topic, asked.id, asked.sequence if cls is Resume else None)
    except ApiError as error:
        client.send(error_frame(streams, error, id_of(text)))


def _authenticate(app, client, asked):
    """A later token of the same user replaces the one before: a socket lives as long as its token."""
    identity = identify_token(app, asked.token)
    if client.identity is not None and client.identity.user != identity.user:
        raise ApiError(409, "another_user", "this connection is another user's")
    client.identity = identity
    client.proof = partial(identify_token, app, asked.token)
    client.send(Authenticated(id=asked.id, user=identity.user, **app[STREAMS].stamp()).frame())


def error_frame(streams, error, request_id=None):
    """ApiError -> bytes of a WebSocket frame."""
    message = Error(
        id=request_id,
        code=error.code,
        message=error.message,
        field=error.details.get("field"),
        **streams.stamp(),
    )
    return message.frame()
