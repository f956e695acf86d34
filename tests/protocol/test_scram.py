"""SCRAM-SHA-256 as in the RFC, to the byte."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import scram

# RFC 7677, section 3: user "user", secret "pencil"
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
NONCE = CLIENT_NONCE + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = scram.derive_keys("pencil", SALT, 4096)
AUTH = scram.auth_message("user", CLIENT_NONCE, NONCE, SALT, 4096)
PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")


def test_the_auth_message_is_the_rfc_s():
    assert AUTH == (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )


def test_the_proof_and_the_signature_are_the_rfc_s():
    assert scram.client_proof(KEYS, AUTH) == PROOF
    signature = scram.server_signature(KEYS.server_key, AUTH)
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_right_proof_is_taken_and_one_with_any_bit_changed_is_not():
    assert scram.verify_proof(KEYS.stored_key, AUTH, PROOF)
    for bit in range(256):
        wrong = bytearray(PROOF)
        wrong[bit // 8] ^= 1 << bit % 8
        assert not scram.verify_proof(KEYS.stored_key, AUTH, bytes(wrong))


@given(st.binary(max_size=255).filter(lambda proof: proof != PROOF))
def test_a_proof_of_any_other_length_or_content_is_not_taken(proof):
    assert not scram.verify_proof(KEYS.stored_key, AUTH, proof)


@pytest.mark.parametrize("part", ["key", "client_nonce", "nonce", "salt", "iterations"])
def test_a_proof_is_good_for_one_auth_message_alone(part):
    values = {"key": 7, "client_nonce": CLIENT_NONCE, "nonce": NONCE, "salt": SALT, "iterations": 4096}
    proof = scram.client_proof(KEYS, scram.auth_message(**values))
    other = {"key": 8, "client_nonce": "x" * 20, "nonce": NONCE + "x", "salt": b"x" * 16, "iterations": 4097}
    values[part] = other[part]
    assert not scram.verify_proof(KEYS.stored_key, scram.auth_message(**values), proof)


def test_what_the_core_keeps_cannot_make_a_proof():
    thief = scram.Keys(client_key=KEYS.stored_key, stored_key=KEYS.stored_key, server_key=KEYS.server_key)
    assert not scram.verify_proof(KEYS.stored_key, AUTH, scram.client_proof(thief, AUTH))


def test_fewer_iterations_than_the_rfc_asks_for_are_refused():
    with pytest.raises(ValueError, match="4095 iterations; at least 4096"):
        scram.derive_keys("pencil", SALT, 4095)


def test_a_salt_made_up_for_a_key_is_stable_and_its_own():
    assert scram.fake_salt(b"pepper", 7) == scram.fake_salt(b"pepper", 7)
    assert len(scram.fake_salt(b"pepper", 7)) == scram.SALT_BYTES
    assert scram.fake_salt(b"pepper", 7) != scram.fake_salt(b"pepper", 8)
    assert scram.fake_salt(b"pepper", 7) != scram.fake_salt(b"salt", 7)


@pytest.mark.parametrize("text", ["x" * 16, "x" * 100, "!~" * 8])
def test_a_nonce_is_16_to_100_printable_characters(text):
    assert scram.is_nonce(text)


@pytest.mark.parametrize(
    "text", ["", "x" * 15, "x" * 101, "x" * 15 + ",", "x" * 15 + " ", "x" * 15 + "é", "x" * 15 + "\n"]
)
def test_what_is_no_nonce(text):
    assert not scram.is_nonce(text)


def test_secrets_do_not_show_in_what_is_logged():
    assert repr(KEYS) == "Keys()"
