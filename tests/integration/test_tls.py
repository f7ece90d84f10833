"""Nothing that a user sets makes the program trust a server that cannot prove who it is."""

from __future__ import annotations

import asyncio
import ssl
import subprocess

import pytest
from websockets.asyncio.server import serve

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import RestError
from Heatmap.ingestion.binance.session import BinanceSession
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.connection import Connection
from Heatmap.ingestion.contracts import ContractSizes
from Heatmap.ingestion.rest import fetch_bytes

# What switches verification off elsewhere: Python 2, requests, curl, Node, Git.
SWITCHES = {
    "PYTHONHTTPSVERIFY": "0", "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "GIT_SSL_NO_VERIFY": "1", "WEBSOCKETS_INSECURE": "1", "SSL_NO_VERIFY": "1",
}  # fmt: skip


class Nobody:
    """A listener of a connection that never opens."""

    def __getattr__(self, name):
        raise AssertionError(name)


@pytest.fixture
def context(tmp_path):
    """A server's context with a certificate that it signed itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", key,
            "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate, key)
    return found


def test_a_certificate_that_nobody_signed_is_refused(context, monkeypatch):
    for name, value in SWITCHES.items():
        monkeypatch.setenv(name, value)

    async def ignore(_socket):
        await asyncio.sleep(0)

    async def scenario():
        async with asyncio.timeout(20), serve(ignore, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(RestError) as caught:
                await fetch_bytes(f"https://127.0.0.1:{port}/fapi/v1/time")
            session = BinanceSession(f"wss://127.0.0.1:{port}", ["BTCUSDT"], source="binance", sizes=ContractSizes())
            connection = Connection(
                session, frozenset(["BTCUSDT"]), Nobody(), policy=BINANCE.policy, clock=SYSTEM_CLOCK
            )
            await asyncio.wait([connection.ended])
            return caught.value.reason, connection.failure()

    reason, failure = asyncio.run(scenario())
    assert (reason, failure.reason) == ("tls", "tls")
    assert "CERTIFICATE_VERIFY_FAILED" in failure.detail
