"""`make audit`: vulnerabilities are reported, an audit without a network is no clean one, and SBOMs are written."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, override

import pytest

ROOT = Path(__file__).parents[2]

# uv makes the audit. CI always has it; a virtual environment that was made by other means doesn't.
pytestmark = pytest.mark.skipif(
    not (ROOT / ".tools/uv/bin/uv").exists(), reason="there is no .tools/uv: run make setup"
)


@contextmanager
def advisories(vulnerable: str) -> Iterator[str]:
    """Serve advisories in the form of OSV that know of one vulnerability, of this package; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            names = [query["package"]["name"] for query in queries]
            found = [{"id": "PYSEC-2099-1", "modified": "2099-01-01T00:00:00Z"}]
            self._answer({"results": [{"vulns": found} if name == vulnerable else {} for name in names]})

        def do_GET(self) -> None:
            affected = {"package": {"ecosystem": "PyPI", "name": vulnerable}, "versions": []}
            self._answer(
                {"id": "PYSEC-2099-1", "modified": "2099-01-01T00:00:00Z", "summary": "bad", "affected": [affected]}
            )

        def _answer(self, body: Any) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(service: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ADVISORIES": service, "UV_HTTP_RETRIES": "0"}
    return subprocess.run([ROOT / ".ci/audit"], check=False, capture_output=True, text=True, env=environment)


def test_a_known_vulnerability_fails_the_audit_by_its_name_and_none_passes() -> None:
    with advisories("jinja2") as service:
        found = audit(service)
    with advisories("nothing-of-ours") as service:
        clean = audit(service)
    assert (found.returncode, "PYSEC-2099-1" in found.stdout, "jinja2" in found.stdout) == (1, True, True)
    assert clean.returncode == 0, clean.stdout


def test_an_audit_without_a_network_is_no_clean_one() -> None:
    answer = audit("http://127.0.0.1:9/")
    assert answer.returncode == 3
    assert "can't be reached" in answer.stderr


def test_an_sbom_names_all_packages_that_are_shipped() -> None:
    audit("http://127.0.0.1:9/")
    for name, requirements in (
        ("layer", "layers/certrules/requirements.txt"),
        ("support", "functions/support/requirements.txt"),
        ("report", "functions/report/requirements.txt"),
    ):
        bill = json.loads((ROOT / "dist/sbom" / f"{name}.cdx.json").read_text())
        lines = (ROOT / requirements).read_text().splitlines()
        pinned = {line.split(" ")[0] for line in lines if line and not line.startswith((" ", "#"))}
        assert bill["bomFormat"] == "CycloneDX"
        assert {f"{part['name']}=={part['version']}" for part in bill["components"]} == pinned
