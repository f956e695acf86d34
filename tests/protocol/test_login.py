"""Who knows the secret gets in, on the listener of its role; all others look alike."""

import attrs
import pytest

from protocol import scram
from protocol.errors import ProtocolError
from protocol.login import TRADER, TRUSTED, ClientLogin, Credentials
from protocol.messages import (
    RESUME_NOTHING,
    Code,
    Durability,
    Heartbeat,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
)
from tests.protocol.peer import ACCOUNT, CREDENTIALS, KEY, PEPPER, SALT, SECRET, nonce, server_login

CLIENT_NONCE = nonce("client", 1)


def login(**changes):
    message = ClientLogin(KEY, SECRET).start(CLIENT_NONCE, RESUME_NOTHING, False)
    return attrs.evolve(message, **changes)


def challenge(core, message):
    (answer,) = core.receive(message)
    return answer


def closed_with(code, core, *messages):
    """Give a ServerLogin messages, the last of which ends it. -> the text."""
    for message in messages[:-1]:
        core.receive(message)
    with pytest.raises(ProtocolError) as caught:
        core.receive(messages[-1])
    assert caught.value.code == code
    assert core.credentials is None
    return caught.value.text


def test_the_two_ends_agree():
    core, client = server_login(), ClientLogin(KEY, SECRET)
    proof = client.prove(challenge(core, client.start(CLIENT_NONCE, 41, True)))
    assert core.credentials is None
    assert core.receive(proof) == []
    assert core.credentials == CREDENTIALS
    assert (core.resume_after, core.cancel_on_disconnect) == (41, True)
    accepted = core.accepted(Durability.SYNC, 5_000_000_000, 99)
    assert accepted == LoginAccepted(accepted.server_signature, ACCOUNT, Durability.SYNC, 5_000_000_000, 99)
    client.verify(accepted)


def test_request_ids_of_a_login_are_echoed():
    core, client = server_login(), ClientLogin(KEY, SECRET)
    message = client.start(CLIENT_NONCE, 0, False)
    message.request_id = 5
    asked = challenge(core, message)
    proof = client.prove(asked)
    proof.request_id = 6
    core.receive(proof)
    assert (asked.request_id, core.accepted(1, 1, 0).request_id) == (5, 6)


def test_a_wrong_secret_fails():
    core, client = server_login(), ClientLogin(KEY, "wrong horse")
    proof = client.prove(challenge(core, client.start(CLIENT_NONCE, RESUME_NOTHING, False)))
    assert closed_with(Code.LOGIN_FAILED, core, proof) == "unknown key or wrong secret"


@pytest.mark.parametrize(
    "find",
    [lambda key: None, lambda key: attrs.evolve(CREDENTIALS, role=TRUSTED)],
    ids=["an unknown key", "a key of another role"],
)
def test_looks_like_a_wrong_secret(find):
    def fail(find, number):
        core, client = server_login(number, find=find), ClientLogin(KEY, "wrong horse")
        asked = challenge(core, client.start(CLIENT_NONCE, RESUME_NOTHING, False))
        return asked, closed_with(Code.LOGIN_FAILED, core, client.prove(asked))

    real, real_text = fail(lambda key: CREDENTIALS, 1)
    unknown, unknown_text = fail(find, 1)
    assert unknown_text == real_text
    assert unknown == attrs.evolve(real, salt=unknown.salt)
    assert len(unknown.salt) == len(real.salt)
    again, _ = fail(find, 2)
    assert again.salt == unknown.salt == scram.fake_salt(PEPPER, KEY)


def test_not_even_a_proof_of_the_made_up_keys_gets_an_unknown_key_in():
    core = server_login(find=lambda key: None)
    asked = challenge(core, login())
    for stored_key in (bytes(32), b"", PEPPER):
        auth = scram.auth_message(KEY, CLIENT_NONCE, asked.nonce, asked.salt, asked.iterations)
        proof = scram.client_proof(scram.Keys(bytes(32), stored_key, bytes(32)), auth)
        core = server_login(find=lambda key: None)
        closed_with(Code.LOGIN_FAILED, core, login(), LoginProof(asked.nonce, proof))


def test_a_replayed_login_and_proof_fail_as_the_core_s_nonce_is_another():
    core, client = server_login(1), ClientLogin(KEY, SECRET)
    message = client.start(CLIENT_NONCE, RESUME_NOTHING, False)
    proof = client.prove(challenge(core, message))
    core.receive(proof)
    assert core.credentials is not None
    closed_with(Code.LOGIN_FAILED, server_login(2), message, proof)


def test_a_proof_with_another_nonce_than_the_challenge_s_fails():
    core, client = server_login(), ClientLogin(KEY, SECRET)
    proof = client.prove(challenge(core, client.start(CLIENT_NONCE, RESUME_NOTHING, False)))
    closed_with(Code.LOGIN_FAILED, core, attrs.evolve(proof, nonce=proof.nonce + "x"))


@pytest.mark.parametrize("proof", [b"", bytes(31), bytes(32), bytes(33), bytes(255)])
def test_a_proof_that_is_none_fails(proof):
    core = server_login()
    asked = challenge(core, login())
    closed_with(Code.LOGIN_FAILED, core, LoginProof(asked.nonce, proof))


def test_only_the_message_that_is_due_is_taken():
    closed_with(Code.LOGIN_REQUIRED, server_login(), Heartbeat())
    closed_with(Code.LOGIN_REQUIRED, server_login(), LoginProof("x", b""))
    closed_with(Code.LOGIN_REQUIRED, server_login(), login(), login())
    core = server_login()
    closed_with(Code.VERSION_UNSUPPORTED, core, login(version=2))
    closed_with(Code.LOGIN_REQUIRED, core, login())


def test_nothing_is_taken_after_a_proof():
    core, client = server_login(), ClientLogin(KEY, SECRET)
    proof = client.prove(challenge(core, client.start(CLIENT_NONCE, RESUME_NOTHING, False)))
    core.receive(proof)
    with pytest.raises(ProtocolError):
        core.receive(proof)


def test_another_version_is_told_what_is_spoken():
    text = closed_with(Code.VERSION_UNSUPPORTED, server_login(), login(version=2))
    assert text == "version 2; this core speaks 1"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_nonce": ""},
        {"client_nonce": "short"},
        {"client_nonce": "x" * 101},
        {"client_nonce": "x" * 20 + ",r=" + "x" * 20},
        {"resume_after": -2},
        {"cancel_on_disconnect": 2},
    ],
    ids=str,
)
def test_a_login_with_a_field_that_means_nothing_fails(changes):
    closed_with(Code.LOGIN_FAILED, server_login(), login(**changes))


def test_each_role_has_its_listener():
    trusted = Credentials.from_secret(KEY, 0, TRUSTED, SECRET, SALT)
    core, client = server_login(role=TRUSTED, find=lambda key: trusted), ClientLogin(KEY, SECRET)
    core.receive(client.prove(challenge(core, client.start(CLIENT_NONCE, RESUME_NOTHING, False))))
    assert core.credentials == trusted
    core = server_login(role=TRADER, find=lambda key: trusted)
    closed_with(Code.LOGIN_FAILED, core, client.prove(challenge(core, client.start(CLIENT_NONCE, -1, False))))


def test_a_client_finds_out_a_core_that_does_not_know_its_key():
    core, client = server_login(), ClientLogin(KEY, SECRET)
    core.receive(client.prove(challenge(core, client.start(CLIENT_NONCE, RESUME_NOTHING, False))))
    accepted = core.accepted(Durability.SYNC, 1, 0)
    for signature in (b"", bytes(32), accepted.server_signature[:-1]):
        with pytest.raises(ProtocolError, match="could not prove"):
            client.verify(attrs.evolve(accepted, server_signature=signature))


def test_a_client_takes_no_acceptance_without_a_challenge():
    client = ClientLogin(KEY, SECRET)
    client.start(CLIENT_NONCE, RESUME_NOTHING, False)
    with pytest.raises(ProtocolError, match="without a challenge"):
        client.verify(LoginAccepted(bytes(32), ACCOUNT, Durability.SYNC, 1, 0))


WEAK = {
    "our nonce alone": LoginChallenge(CLIENT_NONCE, SALT, 4096),
    "another nonce": LoginChallenge("y" * 40, SALT, 4096),
    "a nonce that is too short": LoginChallenge(CLIENT_NONCE + "short", SALT, 4096),
    "too few iterations": LoginChallenge(CLIENT_NONCE + "x" * 20, SALT, 4095),
    "iterations for a day": LoginChallenge(CLIENT_NONCE + "x" * 20, SALT, 2**32 - 1),
}


@pytest.mark.parametrize("asked", list(WEAK.values()), ids=list(WEAK))
def test_a_client_does_not_prove_itself_for(asked):
    client = ClientLogin(KEY, SECRET)
    client.start(CLIENT_NONCE, RESUME_NOTHING, False)
    with pytest.raises(ProtocolError) as caught:
        client.prove(asked)
    assert caught.value.code == Code.LOGIN_FAILED


def test_a_client_s_nonce_is_checked_before_it_is_sent():
    with pytest.raises(ValueError):
        ClientLogin(KEY, SECRET).start("short", RESUME_NOTHING, False)


def test_credentials_hold_nothing_that_logs_in_and_show_nothing_in_logs():
    assert repr(CREDENTIALS) == "Credentials(key=7, account=70, role='trader', iterations=4096)"
    assert SECRET.encode() not in b"".join((CREDENTIALS.salt, CREDENTIALS.stored_key, CREDENTIALS.server_key))
