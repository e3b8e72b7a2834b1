"""The platform's tables for tests: rows in few words; and an import of them, part by part, by the real function."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certrules.core.certificate import Outcome
from certrules.core.facts import Record
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, Policy
from certrules.core.replay import replay
from certrules.core.timeline import Timeline, merge
from certrules.formats.table_rows import Observation, TableRow, decode_row, entries_from, standing
from certrules.importing import ACCEPTED
from certs.imports.files import files_of
from certs.imports.parts import COURSE_RUNS, Reading, read_tables
from certs.imports.rows import ID_VERIFICATION
from certs.imports.tables import TABLES
from localcloud import LocalCloud

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AT = NOW.isoformat()
COURSE_RUN = "course-v1:CertX+CS101+2026"
FOLDER = "runs/import-test"

#: A row of each table as the platform would have it, for learner 7 in COURSE_RUN, who qualifies.
ROWS: Mapping[str, Mapping[str, Any]] = {
    "course_overviews_courseoverview": {
        "id": COURSE_RUN,
        "modified": "2026-01-05 10:00:00.000000",
        "cert_html_view_enabled": 1,
        "has_any_active_web_certificate": 1,
        "certificates_display_behavior": "end",
        "certificates_show_before_end": 0,
        "certificate_available_date": None,
        "end": "2026-05-01 00:00:00.000000",
        "self_paced": 1,
    },
    "auth_user": {
        "id": 7,
        "username": "ada",
        "email": "ada.lovelace@example.org",
        "date_joined": "2026-01-02 09:00:00.000000",
    },
    "auth_userprofile": {"id": 70, "user_id": 7, "name": "Ada Lovelace", "bio": "mathematician"},
    "student_courseenrollment": {
        "id": 1,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "created": "2026-01-10 09:00:00.000000",
        "is_active": 1,
        "mode": "verified",
    },
    "student_courseenrollment_history": {
        "id": 1,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "created": "2026-01-10 09:00:00.000000",
        "is_active": 1,
        "mode": "verified",
        "history_id": "a1",
        "history_date": "2026-01-10 09:00:00.000000",
        "history_type": "+",
        "history_user_id": None,
    },
    "grades_persistentcoursegrade": {
        "id": 1,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "percent_grade": 0.9,
        "letter_grade": "Pass",
        "passed_timestamp": "2026-03-01 12:00:00.000000",
        "modified": "2026-03-02 12:00:00.000000",
    },
    **{
        f"verify_student_{kind}": {
            "id": 5,
            "user_id": 7,
            "status": "approved",
            "status_changed": "2026-01-12 12:00:00.000000",
            "created_at": "2026-01-11 12:00:00.000000",
            "updated_at": "2026-01-12 12:00:00.000000",
            "expiration_date": "2028-01-11 12:00:00.000000",
            "name": "",
        }
        for kind in ("softwaresecurephotoverification", "ssoverification", "manualverification")
    },
    "verify_student_verificationattempt": {
        "id": 5,
        "user_id": 7,
        "status": "approved",
        "status_changed": "2026-01-12 12:00:00.000000",
        "created_at": "2026-01-11 12:00:00.000000",
        "updated_at": "2026-01-12 12:00:00.000000",
        "expiration_datetime": "2028-01-11 12:00:00.000000",
        "hide_status_from_user": 0,
        "name": "",
    },
    "certificates_generatedcertificate": {
        "id": 40,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "status": "downloadable",
        "mode": "verified",
        "grade": "0.9",
        "verify_uuid": "a6c04f14d61d49f7981d004ff9433eea",
        "created_date": "2026-03-01 12:00:05.000000",
        "modified_date": "2026-03-01 12:00:09.000000",
    },
    "certificates_certificateinvalidation": {
        "id": 3,
        "generated_certificate_id": 40,
        "active": 1,
        "created": "2026-04-01 08:00:00.000000",
        "modified": "2026-04-01 08:00:00.000000",
        "notes": "ticket 12",
        "invalidated_by_id": 99,
    },
    "certificates_historicalcertificateinvalidation": {
        "id": 3,
        "generated_certificate_id": 40,
        "active": 1,
        "notes": "ticket 12",
        "invalidated_by_id": 99,
        "history_date": "2026-04-01 08:00:00.000000",
        "history_type": "+",
        "history_user_id": 99,
    },
    "certificates_certificateallowlist": {
        "id": 2,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "created": "2026-02-01 08:00:00.000000",
        "modified": "2026-02-01 08:00:00.000000",
        "allowlist": 1,
        "notes": "ticket 13",
    },
    "certificates_historicalcertificateallowlist": {
        "id": 2,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "created": "2026-02-01 08:00:00.000000",
        "allowlist": 1,
        "notes": "ticket 13",
        "history_id": 8,
        "history_date": "2026-02-01 08:00:00.000000",
        "history_type": "+",
        "history_user_id": 99,
    },
    "certificates_certificatewhitelist": {
        "id": 2,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "created": "2026-02-01 08:00:00.000000",
        "whitelist": 1,
        "notes": "ticket 13",
    },
    "certificates_certificatedateoverride": {
        "id": 6,
        "generated_certificate_id": 40,
        "created": "2026-04-02 08:00:00.000000",
        "modified": "2026-04-03 08:00:00.000000",
        "date": "2025-12-24 00:00:00.000000",
        "reason": "ticket 14",
        "overridden_by_id": 99,
    },
    "certificates_historicalcertificatedateoverride": {
        "id": 6,
        "generated_certificate_id": 40,
        "date": "2025-12-24 00:00:00.000000",
        "reason": "ticket 14",
        "overridden_by_id": 99,
        "history_date": "2026-04-02 08:00:00.000000",
        "history_type": "+",
        "history_user_id": 99,
    },
    "student_courseaccessrole": {
        "id": 9,
        "user_id": 7,
        "course_id": COURSE_RUN,
        "org": "CertX",
        "role": "beta_testers",
    },
}

#: The tables of a learner who qualifies.
QUALIFYING = (
    "course_overviews_courseoverview",
    "student_courseenrollment",
    "grades_persistentcoursegrade",
    "verify_student_softwaresecurephotoverification",
)


def instant(text: str) -> datetime:
    """Read a time of the tables."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV, NULL as MySQL writes it."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: r"\N" if value is None else value for name, value in row.items()} for row in rows)
    return text.getvalue()


class Tables:
    """An export of the platform's tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "export"
        self._rows: dict[str, list[Mapping[str, Any]]] = {}

    def add(self, table: str, **fields: Any) -> "Tables":
        """Add a row: the usual one, but for these fields."""
        self._rows.setdefault(table, []).append({**ROWS[table], **fields})
        return self

    def qualifying(self, **fields: Any) -> "Tables":
        """Add all rows of a learner who qualifies."""
        for table in QUALIFYING:
            self.add(table, **{name: value for name, value in fields.items() if name in ROWS[table]})
        return self

    def read(self, now: datetime = NOW) -> "Export":
        """Turn them into parts."""
        self.folder.mkdir(exist_ok=True)
        for table, rows in self._rows.items():
            (self.folder / f"{table}.csv").write_text(as_csv(rows))
        return read(self.folder.iterdir(), self.folder.parent / f"parts-{len(list(self.folder.parent.iterdir()))}", now)


class Export:
    """Tables that were read."""

    def __init__(self, folder: Path, reading: Reading) -> None:
        self.folder = folder
        self.reading = reading

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """What could not be taken in."""
        return [json.loads(line) for line in (self.folder / "rejects.jsonl").read_text().splitlines()]

    def rows(self) -> list[TableRow]:
        """Return the rows of all parts."""
        return [
            decode_row(line)
            for part in self.reading.parts
            for line in gzip.decompress((self.folder / part).read_bytes()).splitlines()
        ]

    def stated(self, learner_id: int | None = 7, course_run: str | None = COURSE_RUN) -> tuple[Observation, ...]:
        """Return the rows of a learner in a course run, of one, or of the other."""
        return next((row.observations for row in self.rows() if row[:2] == (learner_id, course_run)), ())

    def timeline(self, known: Timeline = ()) -> Timeline:
        """Return what becomes of it for learner 7 in COURSE_RUN, all in one."""
        stated = (*self.stated(None), *self.stated(course_run=None), *self.stated())
        known = standing(known, stated)
        return merge(known, entries_from(known, stated))

    def outcome(self, policy: Policy = DEFAULT, known: Timeline = ()) -> Outcome:
        """Return what it amounts to."""
        return replay(Record(7, COURSE_RUN, self.timeline(known)), ((BEGINNING, policy),), NOW)

    def upload(self, cloud: LocalCloud, folder: str = FOLDER) -> None:
        """Put the parts where the function finds them, accepted for all course runs."""
        s3, bucket = cloud.client("s3"), cloud.physical("BulkBucket")
        for part in self.reading.parts:
            s3.upload_file(str(self.folder / part), bucket, f"{folder}/{part}")
        accepted = sorted({row.course_run for row in self.rows() if row.course_run is not None})
        s3.put_object(Bucket=bucket, Key=f"{folder}/{ACCEPTED}", Body=json.dumps(accepted).encode())

    def load(self, cloud: LocalCloud, folder: str = FOLDER, at: str = AT) -> list[dict[str, Any]]:
        """Take all parts in, as the state machine does; return their results."""
        self.upload(cloud, folder)
        learners = [part for part in self.reading.parts if part != COURSE_RUNS]
        for parts in ([COURSE_RUNS], learners):
            for step in ("load", "look"):
                for part in parts:
                    cloud.invoke("LoadFunction", {"step": step, "folder": folder, "part": part, "at": at})
        return [result(cloud, part, folder) for part in self.reading.parts]


def read(
    files: Iterable[Path], folder: Path, now: datetime = NOW, *, id_verification: timedelta = ID_VERIFICATION
) -> Export:
    """Read files of tables, or folders of them, into a folder of parts."""
    folder.mkdir()
    with (folder / "rejects.jsonl").open("w") as rejects:
        return Export(folder, read_tables(files_of(files)[0], folder, rejects, now, id_verification=id_verification))


def result(cloud: LocalCloud, part: str, folder: str = FOLDER) -> dict[str, Any]:
    """Return the result of a part."""
    key = f"{folder}/results/{part}.json"
    body = cloud.client("s3").get_object(Bucket=cloud.physical("BulkBucket"), Key=key)["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


assert ROWS.keys() == TABLES.keys()
