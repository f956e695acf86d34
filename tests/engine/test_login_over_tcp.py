"""Who gets in: the right secret, at the right door, once, in time."""

import pytest

from engine.credentials import save_keys
from protocol import codec
from protocol.login import ClientLogin
from protocol.messages import (
    RESUME_NOTHING,
    CancelOrder,
    Code,
    CommandRejected,
    Durability,
    Heartbeat,
    Login,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
    Logout,
    QueryInstruments,
    SessionClosed,
)
from tests.harness import CoreProcess, Peer, Venue, eventually, nonce, peer, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


async def closed_with(peer):
    """-> the code the core closed with; asserts that it said nothing else."""
    messages = await peer.rest()
    assert [type(message) for message in messages] == [SessionClosed], messages
    return messages[0].code


async def test_the_right_secret_is_let_in_and_told_its_account_and_the_durability(venue):
    for durability in (Durability.SYNC, Durability.WRITE):
        async with serving(venue, durability=durability) as core:
            async with peer(core.port) as trader:
                accepted = await trader.login(venue.traders[1])
                assert (accepted.account, accepted.durability) == (2, durability)
            async with peer(core.trusted_port) as gateway:
                assert (await gateway.login(venue.trusted)).account == 0


@pytest.mark.parametrize("message", [CancelOrder(1, 1), Heartbeat(), Logout(), QueryInstruments(0)])
async def test_anything_before_the_login_closes_the_connection(venue, message):
    async with serving(venue) as core, peer(core.port) as stranger:
        stranger.send(message)
        assert await closed_with(stranger) == Code.LOGIN_REQUIRED
        assert core.server.sequencer.exchange.seq == 0


async def test_a_command_sent_between_challenge_and_proof_is_not_executed(venue):
    async with serving(venue) as core, peer(core.port) as stranger:
        login = ClientLogin(*venue.traders[0])
        stranger.send(login.start(nonce(), RESUME_NOTHING, False))
        await stranger.until(LoginChallenge)
        stranger.send(CancelOrder(1, 1))
        assert await closed_with(stranger) == Code.LOGIN_REQUIRED
        assert core.server.sequencer.exchange.seq == 0


async def test_wrong_secret_unknown_key_and_wrong_door_cannot_be_told_apart(venue):
    key, _ = venue.traders[0]
    async with serving(venue) as core:
        attempts = [
            (core.port, (key, "wrong")),
            (core.port, (999, "unknown")),
            (core.port, venue.trusted),
            (core.trusted_port, venue.traders[0]),
        ]
        seen = []
        for port, (number, secret) in attempts:
            async with peer(port) as stranger:
                login = ClientLogin(number, secret)
                stranger.send(login.start(nonce(), RESUME_NOTHING, False))
                challenge = await stranger.receive()
                stranger.send(login.prove(challenge))
                closed = await stranger.receive()
                assert await stranger.receive() is None
                seen.append((type(challenge), len(challenge.salt), challenge.iterations, closed))
        assert seen[0][3].code == Code.LOGIN_FAILED
        assert seen == seen[:1] * len(attempts)


async def test_an_overheard_proof_is_worth_nothing_on_another_connection(venue):
    async with serving(venue) as core:
        client_nonce = nonce()
        login = ClientLogin(*venue.traders[0])
        async with peer(core.port) as victim:
            start = login.start(client_nonce, RESUME_NOTHING, False)
            victim.send(start)
            proof = login.prove(await victim.receive())
            victim.send(proof)
            assert type(await victim.receive()) is LoginAccepted
        async with peer(core.port) as thief:
            thief.write(codec.encode(start))
            await thief.until(LoginChallenge)
            thief.write(codec.encode(proof))
            assert await closed_with(thief) == Code.LOGIN_FAILED


async def test_a_proof_for_the_right_nonce_under_another_name_fails(venue):
    async with serving(venue) as core, peer(core.port) as stranger:
        login = ClientLogin(*venue.traders[0])
        stranger.send(login.start(nonce(), RESUME_NOTHING, False))
        proof = login.prove(await stranger.receive())
        other = "y" if proof.nonce.endswith("x") else "x"
        stranger.send(LoginProof(proof.nonce[:-1] + other, proof.proof))
        assert await closed_with(stranger) == Code.LOGIN_FAILED


@pytest.mark.parametrize(
    ("login", "code"),
    [
        (Login(2, 1, "n" * 16), Code.VERSION_UNSUPPORTED),
        (Login(1, 1, "n" * 15), Code.LOGIN_FAILED),
        (Login(1, 1, "n" * 101), Code.LOGIN_FAILED),
        (Login(1, 1, "n,n" * 9), Code.LOGIN_FAILED),
        (Login(1, 1, "n" * 16, -2), Code.LOGIN_FAILED),
        (Login(1, 1, "n" * 16, -1, 2), Code.LOGIN_FAILED),
    ],
)
async def test_a_login_out_of_range_is_refused_with_a_reason(venue, login, code):
    async with serving(venue) as core, peer(core.port) as stranger:
        stranger.send(login)
        assert await closed_with(stranger) == code


async def test_a_second_login_with_a_key_closes_the_first_session_and_takes_its_place(venue):
    key = venue.traders[0]
    async with serving(venue) as core, peer(core.port, key) as first, peer(core.port, key) as second:
        assert await closed_with(first) == Code.SUPERSEDED
        assert (await second.ask(CancelOrder(0, 1), CommandRejected)).code == Code.UNKNOWN_ORDER
        await eventually(lambda: len(core.server.connections) == 1)


async def test_a_superseded_session_takes_no_more_commands(venue):
    key = venue.traders[0]
    async with serving(venue) as core, peer(core.port, key) as first, peer(core.port, key):
        first.send(CancelOrder(0, 1))
        await first.rest()
        assert core.server.sequencer.exchange.seq == 0


async def test_who_does_not_log_in_is_sent_away_even_when_it_keeps_talking(venue):
    async with serving(venue, login_seconds=0.05) as core, peer(core.port) as silent, peer(core.port) as babbler:
        babbler.write(b"\0\0\0\x20" + b"x" * 8)
        assert await closed_with(silent) == Code.LOGIN_TIMEOUT
        assert await closed_with(babbler) == Code.LOGIN_TIMEOUT
        await eventually(lambda: not core.server.connections)


async def test_who_logged_in_is_not_sent_away_when_the_login_time_is_over(venue):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        core.server.login_seconds = 0.05  # of those who connect from now on: the trader's may be slow
        async with peer(core.port) as silent:
            assert await closed_with(silent) == Code.LOGIN_TIMEOUT
        await trader.ask(CancelOrder(0, 1), CommandRejected)


async def test_connections_beyond_the_limit_are_refused_and_do_not_disturb_the_others(venue):
    async with serving(venue, connections_max=2) as core:
        async with peer(core.port, venue.traders[0]) as trader, peer(core.port), peer(core.port) as third:
            assert await closed_with(third) == Code.TOO_MANY_SESSIONS
            await trader.ask(CancelOrder(0, 1), CommandRejected)
        await eventually(lambda: not core.server.connections)
        async with peer(core.port, venue.traders[0]) as trader:
            await trader.ask(CancelOrder(0, 1), CommandRejected)


async def test_connections_of_traders_take_no_place_of_a_trusted_one_nor_the_other_way_round(venue):
    async with serving(venue, connections_max=1, trusted_connections_max=1) as core:
        async with peer(core.port), peer(core.port) as second, peer(core.trusted_port, venue.trusted) as trusted:
            assert await closed_with(second) == Code.TOO_MANY_SESSIONS
            await trusted.ask(CancelOrder(1, 1), CommandRejected)
            async with peer(core.trusted_port) as one_more:
                assert await closed_with(one_more) == Code.TOO_MANY_SESSIONS
        await eventually(lambda: not core.server.connections)
        async with peer(core.trusted_port), peer(core.port, venue.traders[0]) as trader:
            await trader.ask(CancelOrder(0, 1), CommandRejected)


async def test_a_key_revoked_in_the_keys_file_ends_its_session_and_is_not_let_in_again(venue):
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.port, venue.traders[0]) as revoked, peer(core.port, venue.traders[1]) as other:
            venue.keys.revoked[venue.traders[0][0]] = True
            save_keys(venue.keys_path, venue.keys)
            assert await closed_with(revoked) == Code.KEY_REVOKED
            await other.ask(CancelOrder(0, 1), CommandRejected)
        async with peer(core.port) as again:
            assert (await again.login(venue.traders[0])).code == Code.LOGIN_FAILED


async def test_a_keys_file_that_cannot_be_read_changes_nothing(venue):
    with CoreProcess(venue) as core:
        core.ready()
        with open(venue.keys_path, "w") as file:
            file.write('{"keys": [')
        core.line("keys file not read")
        trader = await Peer.logged_in(core.port, venue.traders[0])
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        await trader.close()
