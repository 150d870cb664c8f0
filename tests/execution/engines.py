"""Engines that say what they are told to, and a way to the real one that can be shut."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

from typing_extensions import override

from egbot.execution.docker_engine import SOCKETS

VERSION = {"Version": "25.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}
INFO = {
    **dict.fromkeys(("MemoryLimit", "SwapLimit", "PidsLimit", "CpuCfsQuota"), True),
    "SecurityOptions": ["name=seccomp,profile=default"],
}


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def fake_engine(path: Path, answers: Mapping[str, object] | None = None) -> Iterator[str]:
    """An engine at the socket ``path``; its address.

    ``answers`` maps the end of a request's path to what is said: JSON, a text as it is, or a tuple
    of JSON in pieces.
    """
    known: Mapping[str, object] = {"/version": VERSION, "/info": INFO, **(answers or {})}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name = re.sub(r"^/v[\d.]+|\?.*", "", self.path)
            found = known.get(name, {"message": f"no {name}"})
            self.send_response(200 if name in known else 404)
            if isinstance(found, tuple):
                self.send_header("Transfer-Encoding", "chunked")
                texts = [json.dumps(one) for one in found] + [""]
                body = "".join(f"{len(one):x}\r\n{one}\r\n" for one in texts)
            else:
                body = found if isinstance(found, str) else json.dumps(found)
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

        @override
        def address_string(self) -> str:
            return "unix"

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


class Passage:
    """A way to the real engine that can be shut: all that is open is then cut."""

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener
        self._tls = tls
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                if self._tls is not None:
                    near = self._tls.wrap_socket(near, True, do_handshake_on_connect=False)
                self._open += [near, far]
                try:
                    if isinstance(near, ssl.SSLSocket):
                        near.do_handshake()
                except ssl.SSLError:
                    near.close()
                else:
                    far.connect(SOCKETS[0])
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=_pump, args=pair, daemon=True).start()

    def shut(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
