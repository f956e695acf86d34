"""`tools api-keys`: make, list and revoke the keys with which programs sign requests to the gateway."""

import json
import os
import secrets

from gateway.identity import is_user
from tools.console import Failed, note, print_json, print_table
from tools.keys import Changing
from tools.token import write_jwks as write_private

EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it with its secret, once")
    create.add_argument("user", help="whose requests it signs: 1 to 64 printable ASCII characters without a space")
    create.add_argument("--role", action="append", default=[], dest="roles", help="such as admin; may be given again")
    create.set_defaults(action_of_api_keys=_create)
    revoke = actions.add_parser("revoke", help="end a key; gateways that run refuse it within a second")
    revoke.add_argument("key")
    revoke.set_defaults(action_of_api_keys=_revoke)
    listing = actions.add_parser("list", help="show every key, without secrets")
    listing.set_defaults(action_of_api_keys=_list)
    for action in (create, revoke, listing):
        action.add_argument("--file", default="run/api-keys.json", help="default %(default)s")
        action.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments):
    try:
        return arguments.action_of_api_keys(arguments)
    except (Failed, OSError) as error:
        note("tools api-keys: %s" % error)
        return EXIT_FAILED


def read_api_keys(path):
    """-> the file's content. Raises Failed."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if not all(isinstance(entry["key"], str) and entry["secret"] and entry["user"] for entry in content["keys"]):
            raise ValueError("keys")
    except OSError as error:
        raise Failed("%s: %s" % (path, error.strerror)) from None
    except (ValueError, KeyError, TypeError):
        raise Failed("%s: not a file of API keys" % path) from None
    return content


def open_api_keys(path):
    """The same; one without keys is made where there is none."""
    if not os.path.exists(path):
        write_private(path, {"keys": []})
    return read_api_keys(path)


def new_api_key(user, roles=()):
    """-> an entry of the file."""
    return {"key": secrets.token_hex(8), "secret": secrets.token_urlsafe(32), "user": user, "roles": list(roles)}


def _create(arguments):
    if not is_user(arguments.user):
        note("tools api-keys create: a user has 1 to 64 printable ASCII characters without a space")
        return EXIT_USAGE
    with Changing(arguments.file):
        content = open_api_keys(arguments.file)
        entry = new_api_key(arguments.user, arguments.roles)
        content["keys"].append(entry)
        write_private(arguments.file, content)
    if arguments.json:
        print_json(entry)
    else:
        print("key %s\nsecret %s" % (entry["key"], entry["secret"]))
        note("The secret is not shown again.")
    return 0


def _revoke(arguments):
    with Changing(arguments.file):
        content = read_api_keys(arguments.file)
        kept = [entry for entry in content["keys"] if entry["key"] != arguments.key]
        if len(kept) == len(content["keys"]):
            raise Failed("%s has no key %s" % (arguments.file, arguments.key))
        write_private(arguments.file, {"keys": kept})
    if arguments.json:
        print_json({"key": arguments.key})
    else:
        print("key %s revoked" % arguments.key)
    return 0


def _list(arguments):
    columns = ("key", "user", "roles")
    entries = read_api_keys(arguments.file)["keys"]
    rows = [(entry["key"], entry["user"], entry.get("roles", [])) for entry in entries]
    if arguments.json:
        print_json([dict(zip(columns, row)) for row in rows])
    else:
        print_table(columns, [(key, user, " ".join(roles)) for key, user, roles in rows])
    return 0
