"""Serves the bench page on the local network: one address with a token in it, read what is listed, post one thing."""

from __future__ import annotations

import hmac
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from batikkit.errors import InputError
from batikkit_benchmarks.phone_report import MAX_POST_BYTES
from batikkit_benchmarks.phone_site import Site

_TYPES = {
    "html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css", "json": "application/json",
    "wasm": "application/wasm", "png": "image/png", "webmanifest": "application/manifest+json",
}  # fmt: skip
_TIMEOUT_S = 60.0
_AT_ONCE = 16

Received = Callable[[bytes], None]
"""Called with what a phone posted, one at a time; raises InputError to refuse it."""


def local_address() -> str:
    """This machine's address on the local network; no packet is sent. Its own where there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


class PhoneServer:
    """A server for one bench; its address is of no use to whoever does not know the token.

    Raises:
        InputError: the address or port cannot be had.
    """

    def __init__(self, site: Site, received: Received, *, address: str, port: int) -> None:
        self.token = secrets.token_urlsafe(16)
        handler = type("Handler", (_Handler,), {"site": site, "token": self.token, "received": staticmethod(received)})
        try:
            self._server = _Server((address, port), handler)
        except (OSError, OverflowError) as error:
            raise InputError(f"cannot serve on {address}:{port} ({error}): choose another with --address") from error
        self.url = f"http://{address}:{self._server.server_address[1]}/{self.token}/"

    def serve(self) -> None:
        """Serves until the process is interrupted."""
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def process_request_thread(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """At most so many at once; the others wait."""
        with self._room:
            super().process_request_thread(request, client_address)

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """A phone that goes away in the middle is no event; a bug is one."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    site: ClassVar[Site]
    token: ClassVar[str]
    received: ClassVar[Received]
    one_at_a_time: ClassVar[threading.Lock] = threading.Lock()
    timeout = _TIMEOUT_S
    server_version, sys_version = "batikkit", ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self._name()
        content = None if name is None else self.site.get(name)
        if content is None:
            self._answer(404, b"not here")
        else:
            kind = _TYPES.get((name or "").rpartition(".")[2], "application/octet-stream")
            self._answer(200, content, _TYPES["html"] if name in ("", "app/") else kind)

    def do_POST(self) -> None:
        self.close_connection = True
        if self._name() != "result":
            self._answer(404, b"not here")
            return
        try:
            size = int(self.headers.get("Content-Length") or "")
        except ValueError:
            self._answer(411, b"say how long it is")
            return
        if not 0 < size <= MAX_POST_BYTES:
            self._answer(413, b"too large")
            return
        body = self.rfile.read(size)
        try:
            if len(body) != size:
                raise InputError("not all of it came")
            with self.one_at_a_time:
                type(self).received(body)
        except InputError as error:
            self._answer(400, str(error).encode())
        else:
            self._answer(200, b"thank you")

    def _name(self) -> str | None:
        """The path behind the token; None without the right one."""
        parts = self.path.partition("?")[0].split("/", 2)
        if len(parts) < 3:
            return None
        _, given, name = parts
        return name if hmac.compare_digest(given.encode(), self.token.encode()) else None

    def _answer(self, status: int, content: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words: object) -> None:
        """The terminal is for results."""
