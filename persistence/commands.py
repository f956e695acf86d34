"""The commands of a record, for the few events that do not tell everything: a reject says why, not what was asked.

Decoded only when an event asks. Pure.
"""

from protocol.content import record_commands
from protocol.messages import CancelAccount, CancelInstrument, PlaceOrder


class Commands:
    def __init__(self, record):
        self._record = record
        self._places = None  # (key, account, request id) -> [PlaceOrder, ...] not asked for yet
        self._cancels = {}

    def placed(self, key, account, request_id, client_order_id):
        """-> the PlaceOrder that an event answers, or None: it was no PlaceOrder."""
        commands = self._index().get((key, account, request_id), ())
        for index, command in enumerate(commands):
            if command.client_order_id == client_order_id:
                return commands.pop(index)
        return None

    def mass_cancel(self, key, request_id, instrument):
        """-> the administrator's CancelInstrument or CancelAccount that an AllCancelled answers, or None."""
        self._index()
        for command in self._cancels.get((key, request_id), ()):
            if command.instrument == instrument:
                return command
        return None

    def _index(self):
        if self._places is None:
            self._places = {}
            for source, command in record_commands(self._record):
                if type(command) is PlaceOrder:
                    key = source.key, command.account, command.request_id
                    self._places.setdefault(key, []).append(command)
                elif type(command) in (CancelInstrument, CancelAccount):
                    self._cancels.setdefault((source.key, command.request_id), []).append(command)
        return self._places
