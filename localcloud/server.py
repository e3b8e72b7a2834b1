"""The local cloud over HTTP, for other processes and for `sam local`'s containers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.models import botocore_stubber
from werkzeug import Request

from localcloud import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug import Response

# Every SDK signs its requests, in a header or in the address, and the signature names the region and the service.
SIGNED_FOR = re.compile(r"Credential=[^/%]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@Request.application
def _application(request: Request) -> Response:
    """Answer a request as moto answers it in-process."""
    target = serving.target_of(request)
    signed = SIGNED_FOR.search(request.headers.get("Authorization", "")) or SIGNED_FOR.search(unquote(target))
    if signed is None:
        return serving.response(403, [], b"the request isn't signed")
    host = f"{signed['service']}.{signed['region']}.amazonaws.com"
    headers = HTTPHeaders()
    for name, value in request.headers.items():
        headers[name] = value
    headers.replace_header("Host", host)
    prepared = AWSPreparedRequest(request.method, f"https://{host}{target}", headers, request.get_data(), False)
    status, fields, content = botocore_stubber.process_request(prepared) or (404, {}, "")
    return serving.response(status, ((name, str(value)) for name, value in fields.items()), content)


def serve(host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve moto on this port (0: any free one). Return the port and a function that stops it."""
    return serving.serve(_application, host, port)
