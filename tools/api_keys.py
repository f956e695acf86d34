"""`tools api-keys`: make, list and revoke the keys with which programs sign requests to the gateway."""

import json
import os
import secrets

from tools.console import Failed, note, print_json, print_table
from tools.token import write_jwks as write_private

EXIT_FAILED = 1


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it with its secret")
    create.add_argument("user", help="whose requests it signs")
    create.add_argument("--role", action="append", default=[], dest="roles", help="such as admin")
    create.set_defaults(action_of_api_keys=_create)
    revoke = actions.add_parser("revoke", help="end a key, for gateways that are started from now on")
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
    except Failed as error:
        note("tools api-keys: %s" % error)
        return EXIT_FAILED


def read_api_keys(path):
    """-> the file's content, empty where there is no file. Raises Failed."""
    if not os.path.exists(path):
        return {"keys": []}
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if not all(entry["key"] and entry["user"] for entry in content["keys"]):
            raise ValueError("keys")
    except OSError as error:
        raise Failed("%s: %s" % (path, error.strerror)) from None
    except (ValueError, KeyError, TypeError):
        raise Failed("%s: not a file of API keys" % path) from None
    return content


def new_api_key(user, roles=()):
    """-> an entry of the file."""
    return {"key": secrets.token_hex(8), "secret": secrets.token_urlsafe(32), "user": user, "roles": list(roles)}


def _create(arguments):
    content = read_api_keys(arguments.file)
    entry = new_api_key(arguments.user, arguments.roles)
    content["keys"].append(entry)
    write_private(arguments.file, content)
    if arguments.json:
        print_json(entry)
    else:
        print("key %s\nsecret %s" % (entry["key"], entry["secret"]))
    return 0


def _revoke(arguments):
    content = read_api_keys(arguments.file)
    kept = [entry for entry in content["keys"] if entry["key"] != arguments.key]
    if len(kept) == len(content["keys"]):
        raise Failed("%s has no key %s" % (arguments.file, arguments.key))
    write_private(arguments.file, {"keys": kept})
    print("key %s revoked" % arguments.key)
    return 0


def _list(arguments):
    rows = [(entry["key"], entry["user"], " ".join(entry["roles"])) for entry in read_api_keys(arguments.file)["keys"]]
    columns = ("key", "user", "roles")
    if arguments.json:
        print_json([dict(zip(columns, row)) for row in rows])
    else:
        print_table(columns, rows)
    return 0
