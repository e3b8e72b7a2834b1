"""What a release stores: the tables after one fixed list of events, with two acts of support.

At each release, `python -m tests.scenes.stored_release NAME` writes tests/upgrade/NAME.jsonl.gz with that release's own
code; the tests of every later one read it.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from certrules.storage import Pair
from certs import run as job
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE, as_time

UPGRADE = Path(__file__).resolve().parents[1] / "upgrade"
EVENTS = UPGRADE / "events.jsonl.gz"
TABLES = ("CertificatesTable", "HistoryTable", "SupportTable")

AS_OF = datetime(2026, 5, 17, 2, 22, 56, tzinfo=UTC)
"""The instant of the last event: what is pending then is not due."""

COURSE_RUN = "course-v1:UpgradeX+CS1+2026"
ACT: dict[str, Any] = {
    "act": "allowlist-add",
    "learner_id": 9004,
    "course_run": COURSE_RUN,
    "reason": "ticket 12",
    "version": 4,
}
ACT_KEY = "upgrade-act-1"
REVOCATION: dict[str, Any] = {
    "act": "invalidate",
    "learners": [9008],
    "course_run": COURSE_RUN,
    "reason": "void",
}
REVOCATION_KEY = "upgrade-revocation-1"


def releases() -> list[str]:
    """Return the releases of which the stored tables are here."""
    return sorted(path.name.partition(".")[0] for path in UPGRADE.glob("*.jsonl.gz") if path != EVENTS)


def tables_of(release: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the items that a release stored, each with its table.

    What ends some time after it was stored ends that long after now, as in a deployment that gets the next release.
    """
    now = datetime.now(UTC)
    for line in gzip.decompress((UPGRADE / f"{release}.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        item = row["item"]
        if "ttl" in item:
            item["ttl"]["N"] = str(int((now + timedelta(days=1)).timestamp()))
            body = json.loads(item["b"]["S"])
            if "expires_at" in body:
                item["b"]["S"] = json.dumps(body | {"expires_at": as_time(now + timedelta(hours=1))})
        yield row["table"], item


def event_id(pair: Pair) -> UUID:
    """Return the id of the first event that a later release receives about a record."""
    return uuid5(NAMESPACE_URL, f"upgrade/{pair.learner_id}/{pair.course_run}")


def happen(cloud: LocalCloud) -> job.Run:
    """Have the events and the acts happen in an empty stack."""
    run = job.drive(cloud, job.events_of_files([str(EVENTS)]), lambda _: None)
    token = cloud.api.token("ada", [f"certificates/{scope}" for scope in ("view", "act", "revoke", "approve")])
    for path, key, body in (("/v1/case/act", ACT_KEY, ACT), ("/v1/revocations", REVOCATION_KEY, REVOCATION)):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": key}
        answer = cloud.api.request("POST", path, headers, json.dumps(body).encode())
        assert answer.status < 300, answer.body
        cloud.deliver(delayed=True)
    return run


def main() -> None:
    """Write what this code stores."""
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        happen(cloud)
        scan = cloud.client("dynamodb").get_paginator("scan")
        lines = sorted(
            json.dumps({"table": table, "item": item}, sort_keys=True, separators=(",", ":"))
            for table in TABLES
            for page in scan.paginate(TableName=cloud.physical(table))
            for item in page["Items"]
        )
    text = "".join(f"{line}\n" for line in lines).encode()
    (UPGRADE / f"{sys.argv[1]}.jsonl.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main()
