"""Who has subscribed to what, and the sending of one message to all of them."""


class Subscriptions:
    def __init__(self):
        self._clients = {}  # Topic -> {Client: None}

    def add(self, topic, client):
        self._clients.setdefault(topic, {})[client] = None

    def remove(self, topic, client):
        """No error where it is not there."""
        clients = self._clients.get(topic, {})
        clients.pop(client, None)
        if not clients:
            self._clients.pop(topic, None)

    def of(self, topic):
        """-> the clients, not to be changed meanwhile."""
        return self._clients.get(topic, ())

    def topics(self):
        """-> {Topic: clients}, for counting."""
        return self._clients

    def send(self, topic, frame):
        """What tells an event."""
        for client in self._clients.get(topic, ()):
            client.send(frame)

    def send_latest(self, topic, source, frame):
        """What tells a state; see Client.send_latest."""
        for client in self._clients.get(topic, ()):
            client.send_latest(source, frame)
