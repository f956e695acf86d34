"""The login as two sans-I/O state machines, one for each end: version, SCRAM-SHA-256, resume point."""

import hmac

import attrs

from protocol import scram
from protocol.errors import ProtocolError
from protocol.messages import (
    PROTOCOL_VERSION,
    RESUME_NOTHING,
    Code,
    Login,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
)

TRADER = "trader"  # acts for its own account
TRUSTED = "trusted"  # acts for any account and sees every event; has a listener of its own


@attrs.frozen
class Credentials:
    """What the core keeps of an API key. None of it can be used to log in."""

    key: int
    account: int  # 0 for a trusted key
    role: str
    salt: bytes = attrs.field(repr=False)
    iterations: int
    stored_key: bytes = attrs.field(repr=False)
    server_key: bytes = attrs.field(repr=False)

    @classmethod
    def from_secret(cls, key, account, role, secret, salt, iterations=scram.ITERATIONS_MIN):
        """The credentials of a new key; `salt` is SALT_BYTES of chance. Raises ValueError below ITERATIONS_MIN."""
        keys = scram.derive_keys(secret, salt, iterations)
        return cls(key, account, role, salt, iterations, keys.stored_key, keys.server_key)


class ServerLogin:
    """The core's end of one login. Give it messages until `credentials` is set, then send what `accepted` returns.

    An unknown key, one of another role and a wrong secret look the same from outside, provided that keys are made
    with the default number of iterations. `server_nonce` is fresh chance for each connection (scram.is_nonce);
    `pepper` is chance that is kept, so that an unknown key is always challenged with the same salt.
    """

    def __init__(self, find_key, server_nonce, pepper, role):
        assert scram.is_nonce(server_nonce), server_nonce
        self.credentials = None
        self.resume_after = RESUME_NOTHING
        self.cancel_on_disconnect = False
        self._find_key = find_key
        self._server_nonce = server_nonce
        self._pepper = pepper
        self._role = role
        self._expected = Login
        self._request_id = 0
        self._candidate = None
        self._is_known = False
        self._nonce = ""
        self._auth = b""

    def receive(self, message):
        """-> messages to send. Raises ProtocolError, after which the connection is to be closed."""
        if type(message) is not self._expected:
            raise ProtocolError(Code.LOGIN_REQUIRED, "%s out of turn in a login" % type(message).__name__)
        self._expected = None
        self._request_id = message.request_id
        return self._challenge(message) if type(message) is Login else self._verify(message)

    def accepted(self, durability, heartbeat_ns, event_seq):
        """-> LoginAccepted; `event_seq` is the newest durable event."""
        return LoginAccepted(
            request_id=self._request_id,
            server_signature=scram.server_signature(self.credentials.server_key, self._auth),
            account=self.credentials.account,
            durability=durability,
            heartbeat_ns=heartbeat_ns,
            event_seq=event_seq,
        )

    def _challenge(self, login):
        if login.version != PROTOCOL_VERSION:
            text = "version %d; this core speaks %d" % (login.version, PROTOCOL_VERSION)
            raise ProtocolError(Code.VERSION_UNSUPPORTED, text)
        if not scram.is_nonce(login.client_nonce):
            text = "client_nonce must be 16 to 100 printable ASCII characters without space and comma"
            raise ProtocolError(Code.LOGIN_FAILED, text)
        if login.resume_after < RESUME_NOTHING or login.cancel_on_disconnect > 1:
            raise ProtocolError(Code.LOGIN_FAILED, "resume_after or cancel_on_disconnect out of range")
        self.resume_after = login.resume_after
        self.cancel_on_disconnect = bool(login.cancel_on_disconnect)
        found = self._find_key(login.key)
        self._is_known = found is not None and found.role == self._role
        self._candidate = found if self._is_known else self._nobody(login.key)
        self._nonce = login.client_nonce + self._server_nonce
        salt, iterations = self._candidate.salt, self._candidate.iterations
        self._auth = scram.auth_message(login.key, login.client_nonce, self._nonce, salt, iterations)
        self._expected = LoginProof
        return [LoginChallenge(request_id=login.request_id, nonce=self._nonce, salt=salt, iterations=iterations)]

    def _nobody(self, key):
        return Credentials(
            key=key,
            account=0,
            role=self._role,
            salt=scram.fake_salt(self._pepper, key),
            iterations=scram.ITERATIONS_MIN,
            stored_key=bytes(32),
            server_key=bytes(32),
        )

    def _verify(self, login_proof):
        is_proven = scram.verify_proof(self._candidate.stored_key, self._auth, login_proof.proof)
        is_same_nonce = hmac.compare_digest(login_proof.nonce.encode("utf-8"), self._nonce.encode("utf-8"))
        if not (self._is_known and is_proven and is_same_nonce):
            raise ProtocolError(Code.LOGIN_FAILED, "unknown key or wrong secret")
        self.credentials = self._candidate
        return []


class ClientLogin:
    """The client's end. Remembers the keys derived for a salt, so that a reconnect costs no key derivation."""

    def __init__(self, key, secret):
        self._key = key
        self._secret = secret
        self._derived_for = None
        self._keys = None
        self._client_nonce = ""
        self._auth = None

    def start(self, client_nonce, resume_after, cancel_on_disconnect):
        """-> Login. `client_nonce` is fresh chance for each connection; raises ValueError where it is no nonce."""
        if not scram.is_nonce(client_nonce):
            raise ValueError("client_nonce must be 16 to 100 printable ASCII characters without space and comma")
        self._client_nonce = client_nonce
        self._auth = None
        return Login(
            version=PROTOCOL_VERSION,
            key=self._key,
            client_nonce=client_nonce,
            resume_after=resume_after,
            cancel_on_disconnect=int(cancel_on_disconnect),
        )

    def prove(self, challenge):
        """LoginChallenge -> LoginProof. Raises ProtocolError for a challenge that weakens the secret."""
        nonce, iterations = challenge.nonce, challenge.iterations
        if not nonce.startswith(self._client_nonce) or not scram.is_nonce(nonce[len(self._client_nonce) :]):
            raise ProtocolError(Code.LOGIN_FAILED, "the core's nonce does not extend ours")
        if not scram.ITERATIONS_MIN <= iterations <= scram.ITERATIONS_MAX:
            raise ProtocolError(Code.LOGIN_FAILED, "the core asks for %d iterations" % iterations)
        if self._derived_for != (challenge.salt, iterations):
            self._keys = scram.derive_keys(self._secret, challenge.salt, iterations)
            self._derived_for = (challenge.salt, iterations)
        self._auth = scram.auth_message(self._key, self._client_nonce, nonce, challenge.salt, iterations)
        return LoginProof(nonce=nonce, proof=scram.client_proof(self._keys, self._auth))

    def verify(self, accepted):
        """Raises ProtocolError where LoginAccepted does not come from who knows our key."""
        if self._auth is None:
            raise ProtocolError(Code.LOGIN_REQUIRED, "LoginAccepted without a challenge")
        expected = scram.server_signature(self._keys.server_key, self._auth)
        if not hmac.compare_digest(accepted.server_signature, expected):
            raise ProtocolError(Code.LOGIN_FAILED, "the core could not prove that it knows the key")
