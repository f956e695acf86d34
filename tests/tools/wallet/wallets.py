"""A wallet of record as a process, for tests: its own file and port, and what a test asks of it."""

import contextlib
import json
import sys
import urllib.error
import urllib.request

from tests.harness import SECONDS_MAX, LoggedProcess


class WalletProcess(LoggedProcess):
    """`python -m tools wallet`; again on the same port and file after it has died."""

    def __init__(self, directory, *arguments, port=0, **environment):
        self.data = "%s/wallet.sqlite" % directory
        command = [sys.executable, "-m", "tools", "wallet", "--port", str(port), "--data", self.data]
        super().__init__(command + list(arguments), **environment)

    def ready(self):
        """Wait until it listens. -> itself, with `url` and `port`."""
        self.url = self.line("ready: http").split()[-1]
        self.port = int(self.url.rpartition(":")[2])
        return self

    def ask(self, method, path, body=None, key=None, token=None):
        """-> (HTTP status, the JSON of the answer)."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        data = None if body is None else body if type(body) is bytes else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_MAX) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def post(self, key, account, asset, direction, amount):
        fields = {"account": account, "asset": asset, "direction": direction, "amount": amount}
        return self.ask("POST", "/v1/postings", fields, key)

    def reverse(self, key):
        return self.ask("POST", "/v1/reversals", {}, key)

    def fault(self, **faults):
        """These faults and no others: fault(error={"times": 3}); fault() is good behaviour."""
        status, body = self.ask("PUT", "/v1/faults", faults)
        assert status == 200, body

    def balances(self):
        """-> {(account, asset): decimal text} of what is not zero."""
        _, body = self.ask("GET", "/v1/balances")
        return {(row["account"], row["asset"]): row["balance"] for row in body["balances"] if row["balance"] != "0"}

    def postings(self):
        """-> every posting, as dicts, in the order in which they came."""
        found = []
        while True:
            after = found[-1]["posting_id"] if found else 0
            page = self.ask("GET", "/v1/postings?after=%d" % after)[1]["postings"]
            if not page:
                return found
            found += page


@contextlib.contextmanager
def wallet(directory, *arguments, **more):
    with WalletProcess(directory, *arguments, **more) as process:
        yield process.ready()
