"""Serving an application over HTTP, on werkzeug's threaded server."""

from __future__ import annotations

import socket
from threading import Thread
from typing import TYPE_CHECKING, override

from werkzeug import Response
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import WSGIApplication
    from werkzeug import Request

#: How often a server looks whether it is to stop.
STOP_SECONDS = 0.05
#: Headers that the server sets itself.
_OF_THE_SERVER = {"connection", "content-length", "date", "server", "transfer-encoding"}


class _Plain(Response):
    default_mimetype = None  # a response has the content type that it is given, or none


class _Silent(WSGIRequestHandler):
    @override
    def log(self, type: str, message: str, *args: object) -> None:
        """Log nothing."""


def target_of(request: Request) -> str:
    """Return the path and query of a request as they were sent, still encoded."""
    return str(request.environ["RAW_URI"])


def response(status: int, headers: Iterable[tuple[str, str]], body: bytes | str) -> Response:
    """Return a response with exactly these headers, beside the server's own."""
    own = [(name, value) for name, value in headers if name.lower() not in _OF_THE_SERVER]
    return _Plain(body, status, own)


def serve(application: WSGIApplication, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve on this port (0: any free one), in threads. Return the port and a function that stops the server.

    Raises OSError if the port is taken: werkzeug itself would end the process.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        bound = listener.getsockname()[1]
        server = make_server(host, bound, application, threaded=True, request_handler=_Silent, fd=listener.fileno())
    thread = Thread(target=server.serve_forever, args=(STOP_SECONDS,), daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return bound, stop
