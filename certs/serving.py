"""Serving a local cloud until Ctrl-C, for the commands of support and other programs."""

import json
import os
import signal
import time
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console

from certs.stacks import NOTE, NoStackError, Stack

if TYPE_CHECKING:  # what only asks a stack needs no cloud of its own, and is quicker without
    from localcloud import LocalCloud


SWEEP_SECONDS = 60


def serve(cloud: "LocalCloud", console: Console, port: int = 0) -> None:
    """Serve the cloud at a port (0: any) and deliver its messages, until Ctrl-C. Raises NoStackError."""
    try:
        endpoint = cloud.serve(port, host="127.0.0.1")
    except OSError as error:
        raise NoStackError(f"port {port}: {error.strerror}; name another one with --port") from error
    aws = {
        "endpoint_url": endpoint,
        "region_name": os.environ["AWS_REGION"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    may = [f"certificates/{scope}" for scope in ("view", "act", "revoke", "approve")]
    tokens = {name: cloud.api.token(f"local-{name}", may, timedelta(days=30)) for name in ("support", "colleague")}
    stack = Stack(cloud.serve_api(), tokens["support"], endpoint, tokens["colleague"], aws=aws, outputs=cloud.outputs)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and `docker stop` end it like Ctrl-C
    swept = time.monotonic()
    try:
        NOTE.touch(mode=0o600)  # for the tokens in it
        NOTE.write_text(json.dumps(asdict(stack)))
        console.print(f"The local cloud answers at [bold]{endpoint}[/] (bus {cloud.physical('Bus')}); Ctrl-C ends it.")
        console.print(
            "The console, for support and for a colleague who approves what support asks for:", highlight=False
        )
        for token in tokens.values():
            console.print(f"  {stack.api}/sign-in?token={token}", soft_wrap=True, highlight=False)
        console.print("In another terminal: [bold]certs explain LEARNER COURSE_RUN[/]")
        while True:
            cloud.deliver()
            if time.monotonic() - swept > SWEEP_SECONDS:
                cloud.run_schedules()
                swept = time.monotonic()
            time.sleep(0.2)  # between looks at empty queues, as a real poller waits; nothing depends on it
    except KeyboardInterrupt:
        console.print("The local cloud is gone.")
    finally:
        NOTE.unlink(missing_ok=True)
