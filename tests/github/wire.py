"""The sockets of the fake GitHub: reads requests, writes answers, resets connections on demand.

It does not know operations, tokens or faults.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import struct
import sys
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from tests.github.serving import PREFIX, Exchange, ResetNow

if TYPE_CHECKING:
    from tests.github.server import FakeGitHub


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, fake: FakeGitHub) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), Handler)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no defect of the fake; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            self.fake.violations.append(f"the fake failed: {traceback.format_exc()}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the fake keeps its own log."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        if split.path.startswith("/_storage/"):
            self._send_stored(split.path)
            return
        prefix = PREFIX if split.path.startswith(PREFIX + "/") else ""
        path = split.path.removeprefix(prefix)
        exchange = Exchange(self.server.fake, self.command, path, prefix, raw, dict(self.headers))
        exchange.query = dict(parse_qsl(split.query, keep_blank_values=True))
        try:
            status, headers, data = exchange.run()
        except ResetNow:
            self._reset()
            return
        except Exception:  # noqa: BLE001  (a defect of the fake must show in the test, not here)
            self.server.fake.violations.append(f"the fake failed: {traceback.format_exc()}")
            status, headers, data = 500, {}, b"the fake failed"
        self._send(status, headers, data)

    def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        """Close with a reset (linger 0), as a broken network does."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RD)
        self.rfile.close()
        self.connection.close()

    def _send_stored(self, path: str) -> None:
        """An artifact's bytes, from the address that the API redirected to."""
        wanted = path.removeprefix("/_storage/").removesuffix(".zip")
        for home in self.server.fake.world.repositories.values():
            for run in home.runs.values():
                for each in run.artifacts:
                    if str(each.id) == wanted:
                        self._send(200, {"Content-Type": "application/zip"}, each.archive)
                        return
        self._send(404, {}, b"")
