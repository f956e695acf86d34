"""`tools keys`: make, list and revoke API keys. A secret is printed once, when it is made, and kept nowhere."""

import os

from engine.credentials import KeysFileError, create_key, load_keys, new_keys, save_keys
from engine.disk import Disk
from protocol.login import TRADER, TRUSTED
from tools.console import Failed, note, print_json, print_table

EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print its secret, once")
    create.add_argument("--account", type=int, default=0, help="whose orders it places; none for a trusted key")
    create.add_argument("--role", choices=(TRADER, TRUSTED), default=TRADER, help="default %(default)s")
    create.set_defaults(action_of_keys=_create)
    revoke = actions.add_parser("revoke", help="end a key for good; a running core closes its session within a second")
    revoke.add_argument("key", type=int, help="key number")
    revoke.set_defaults(action_of_keys=_revoke)
    listing = actions.add_parser("list", help="show every key, without secrets")
    listing.set_defaults(action_of_keys=_list)
    for action in (create, revoke, listing):
        action.add_argument("--keys", default="run/keys.json", metavar="FILE", help="default %(default)s")
        action.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments):
    try:
        return arguments.action_of_keys(arguments)
    except (KeysFileError, Failed) as error:
        note("tools keys: %s" % error)
        return EXIT_FAILED


def open_keys(path):
    """-> Keys of the file, new ones where there is none; raises KeysFileError."""
    return load_keys(path) if os.path.exists(path) else new_keys(os.urandom)


class Changing:
    """Holds the file beside the keys file that lets only one process change it: no change is lost."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self.fd = Disk().lock(self.path + ".lock")
        except BlockingIOError:
            raise Failed("%s is being changed by another process" % self.path) from None
        except OSError as error:
            raise Failed("%s: %s" % (self.path, error.strerror)) from None

    def __exit__(self, *_):
        os.close(self.fd)


def _create(arguments):
    with Changing(arguments.keys):
        keys = open_keys(arguments.keys)
        try:
            number, secret = create_key(keys, arguments.account, arguments.role, os.urandom)
        except ValueError as error:
            note("tools keys create: %s" % error)
            return EXIT_USAGE
        save_keys(arguments.keys, keys)
    if arguments.json:
        print_json({"key": number, "account": arguments.account, "role": arguments.role, "secret": secret})
    else:
        print("key %d\nsecret %s" % (number, secret))
        note("The secret is not stored and cannot be shown again.")
    return 0


def _revoke(arguments):
    with Changing(arguments.keys):
        keys = load_keys(arguments.keys)
        if arguments.key not in keys.by_number:
            raise Failed("%s has no key %d" % (arguments.keys, arguments.key))
        was_revoked = arguments.key in keys.revoked
        keys.revoked[arguments.key] = True
        save_keys(arguments.keys, keys)
    if arguments.json:
        print_json({"key": arguments.key, "was_revoked": was_revoked})
    else:
        print("key %d %s" % (arguments.key, "was revoked before" if was_revoked else "revoked"))
    return 0


def _list(arguments):
    keys = load_keys(arguments.keys)
    rows = [
        (found.key, found.account, found.role, "revoked" if found.key in keys.revoked else "active")
        for found in keys.by_number.values()
    ]
    columns = ("key", "account", "role", "state")
    if arguments.json:
        print_json([dict(zip(columns, row)) for row in rows])
    else:
        print_table(columns, rows)
    return 0
