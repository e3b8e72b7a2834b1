"""`python -m plugin.bench`: what an event costs the LMS.

1,000 events a second go through the signal and the producer to an EventBridge in another process.
`in the request` is what the thread spends that answers a learner; `the process` adds the thread that sends.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

EVENTS = 2_000
A_SECOND = 1_000
GOAL = 0.3  # ms

SERVER = """
import json, http.server
class Bus(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Entries"]
        body = json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in entries]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bus)
print(server.server_port, flush=True)
server.serve_forever()
"""


def main() -> None:
    """Measure, and print a table."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            with tempfile.TemporaryDirectory() as folder:
                _measure(port, Path(folder))
        finally:
            server.kill()


def _measure(port: str, folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "plugin.tests.platform.settings",
        "PLATFORM_BUS": "a-bus",
        "PLATFORM_ENDPOINT": f"http://127.0.0.1:{port}",
        "PLATFORM_BUFFER": str(folder / "buffer"),
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    import django  # noqa: PLC0415 - its settings are in the environment

    django.setup()
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.core.management import call_command  # noqa: PLC0415

    from openedx_course_certificates.sender import sender  # noqa: PLC0415
    from plugin.tests.platform.doings import enroll, new_learner  # noqa: PLC0415

    call_command("migrate", run_syncdb=True, verbosity=0)
    learner, course_run = new_learner(), "course-v1:DemoX+CS101+2026_T1"
    config, settings.EVENT_BUS_PRODUCER_CONFIG = settings.EVENT_BUS_PRODUCER_CONFIG, {}
    rows = []
    for name in ("the signal alone", "with the producer"):
        for _ in range(100):
            enroll(learner, course_run)
        sender().wait(30)
        before = time.process_time()
        wall, cpu = _sent(lambda: enroll(learner, course_run))
        assert sender().wait(30)
        rows.append((name, wall, cpu, 1000 * (time.process_time() - before) / EVENTS))
        settings.EVENT_BUS_PRODUCER_CONFIG = config
    print("| ms an event | in the request, time | in the request, CPU | the process, CPU |")
    print("| --- | ---: | ---: | ---: |")
    for name, *figures in rows:
        print(f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
    costs = [after - before for after, before in zip(rows[1][1:], rows[0][1:], strict=True)]
    print(f"| the producer's part | {' | '.join(f'{cost:.3f}' for cost in costs)} |")
    print(f"\ngoal: {GOAL} ms of the process; outcomes: {dict(sender().counts)}")


def _sent(act: Callable[[], None]) -> tuple[float, float]:
    """Act at the rate of the goal; return the median time and the mean CPU of one, in ms."""
    times, cpu = [], 0.0
    began = time.perf_counter()
    for number in range(EVENTS):
        time.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))  # the rate of the goal
        start, start_cpu = time.perf_counter(), time.thread_time()
        act()
        cpu += time.thread_time() - start_cpu
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[EVENTS // 2], 1000 * cpu / EVENTS


if __name__ == "__main__":
    main()
