"""The local cloud over HTTP, for other processes and for `sam local`'s containers."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, override
from urllib.parse import unquote

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.models import botocore_stubber

if TYPE_CHECKING:
    from collections.abc import Callable

# Every SDK signs its requests, in a header or in the address, and the signature names the region and the service.
SIGNED_FOR = re.compile(r"Credential=[^/%]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


class _Requests(BaseHTTPRequestHandler):
    """Answers each request as moto answers it in-process."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed = SIGNED_FOR.search(self.headers.get("Authorization", "")) or SIGNED_FOR.search(unquote(self.path))
        if signed is None:
            self._answer(403, {}, b"the request isn't signed")
            return
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        host = f"{signed['service']}.{signed['region']}.amazonaws.com"
        url = f"https://{host}{self.path}"
        headers.replace_header("Host", host)
        answer = botocore_stubber.process_request(AWSPreparedRequest(self.command, url, headers, body, False))
        status, fields, content = answer or (404, {}, "")
        self._answer(status, fields, content.encode() if isinstance(content, str) else content)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 - http.server's names

    @override
    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "server", "date", "transfer-encoding"}:
                self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def serve(host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve moto on this port (0: any free one). Return the port and what stops it."""
    server = ThreadingHTTPServer((host, port), _Requests)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop
