"""A demo exchange that a test can watch and steer."""

from __future__ import annotations

from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.server import DemoServer


class SteeredServer(DemoServer):
    """Pushes frames of the test, and closes connections."""

    @property
    def connection_count(self):
        """Open WebSocket connections."""
        return len(self._clients)

    @property
    def subscribed_streams(self):
        """Streams that carry data, over all open connections."""
        return self.call(lambda clients: sum(len(client.session.streams) for client in clients))

    def inject(self, *frames):
        """Push frames as they are to every subscriber of liquidations; return how many there are."""

        def push(clients):
            subscribers = [client for client in clients if _liquidation_streams(client.session.streams)]
            for client in subscribers:
                client.queue(frames)
            return len(subscribers)

        return self.call(push)

    def drop_connections(self, code=1001):
        """Begin to close every connection and return how many; code 1006 cuts them without a closing handshake."""
        return self.call(lambda clients: len([client.close(code, "dropped") for client in clients]))

    def publish(self, *payloads, symbol=None):
        """Push payloads of liquidations in the envelope of each route; return the number of streams.

        To the subscribers of one symbol's own stream, or to all subscribers.
        """

        def push(clients):
            subscribed = _subscribed(clients, symbol)
            for client, stream in subscribed:
                client.queue_stream(stream, payloads)
            return len(subscribed)

        return self.call(push)

    def drop_connection_of(self, symbol, code=1001):
        """Begin to close each connection that carries one symbol's liquidations."""
        self.call(lambda clients: [client.close(code, "dropped") for client, _ in _subscribed(clients, symbol)])


class SteeredExchange(SteeredServer, DemoExchange):
    """The exchange of the program, steered."""


def _liquidation_streams(streams):
    return [stream for stream in streams if stream.carries_liquidations]


def _subscribed(clients, symbol):
    return [
        (client, stream)
        for client in clients
        for stream in _liquidation_streams(client.session.streams)
        if symbol in (None, stream.symbol)
    ]
