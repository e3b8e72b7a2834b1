"""What the stand-in of the Credentials service holds: users, catalog, configurations, credentials, grades."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any, Literal

SITE = 1
MODES = ("honor", "professional", "verified", "no-id-professional", "masters")

type Type = Literal["course-run", "program"]


@dataclass
class User:
    """A user of the service."""

    username: str
    lms_user_id: int | None = None
    full_name: str = ""
    email: str = ""


@dataclass
class Course:
    """A course of the catalog, with the uuids of its runs."""

    name: str
    runs: dict[str, str]
    uuid: str = ""


@dataclass
class Program:
    """A program of the catalog."""

    uuid: str
    name: str
    courses: list[Course] = field(default_factory=list)
    type: str = "micromasters"
    type_name: str = "MicroMasters"

    def runs(self) -> set[str]:
        """Return the keys of its course runs."""
        return {run for course in self.courses for run in course.runs}


@dataclass
class CourseCertificate:
    """The configuration of a course run's certificate."""

    id: int
    course_id: str
    mode: str
    available: datetime | None = None
    is_active: bool = True


@dataclass
class ProgramCertificate:
    """The configuration of a program's certificate; `in_catalog`: it is linked to the program."""

    id: int
    uuid: str
    is_active: bool = True
    in_catalog: bool = True


@dataclass
class Credential:
    """A row: what one learner has of one course run or program."""

    username: str
    type: Type
    key: str
    status: str
    uuid: str
    created: datetime
    modified: datetime
    override: datetime | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Grade:
    """A learner's grade in a course run."""

    id: int
    username: str
    course_run: str
    letter: str
    percent: str  # four decimals
    verified: bool
    updated: datetime | None
    created: datetime
    modified: datetime


@dataclass
class State:
    """All of it. Usernames are compared without case, as MariaDB does."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_uuid: Callable[[], str] = lambda: str(uuid.uuid4())
    users: list[User] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    course_certificates: dict[str, CourseCertificate] = field(default_factory=dict)
    program_certificates: dict[str, ProgramCertificate] = field(default_factory=dict)
    credentials: dict[tuple[str, str], Credential] = field(default_factory=dict)
    grades: dict[tuple[str, str], Grade] = field(default_factory=dict)
    superusers: set[str] = field(default_factory=set)
    writers: set[str] = field(default_factory=set)  # not staff, but with the permission to add credentials
    replacement_worker: str = "username-worker"
    requests: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)  # of who isn't staff, by view
    events: list[tuple[str, str, str]] = field(default_factory=list)  # program events: status, username, program
    lock: RLock = field(default_factory=RLock)

    def user(self, username: str) -> User | None:
        """Return a user by name."""
        return next((user for user in self.users if user.username.lower() == username.lower()), None)

    def users_of(self, lms_user_id: int) -> list[User]:
        """Return the users with an id of the LMS: after a rename that the service saw as an event there are two."""
        return [user for user in self.users if user.lms_user_id == lms_user_id]

    def course_of(self, run: str) -> Course | None:
        """Return the course of a course run in the catalog."""
        return next((course for course in self.courses if run in course.runs), None)

    def credential(self, username: str, key: str) -> Credential | None:
        """Return what a learner has of a course run or program."""
        return self.credentials.get((username.lower(), key))

    def add(self, credential: Credential) -> None:
        """Store a row."""
        self.credentials[credential.username.lower(), credential.key] = credential

    def forget(self, username: str, key: str) -> None:
        """Lose a row, as a restored backup does."""
        del self.credentials[username.lower(), key]

    def by_uuid(self, wanted: str) -> Credential | None:
        """Return a row by its uuid."""
        return next((row for row in self.credentials.values() if row.uuid == wanted), None)

    def of_user(self, username: str) -> Iterator[Credential]:
        """Return the rows of a learner."""
        return (row for row in self.credentials.values() if row.username.lower() == username.lower())

    def available(self, row: Credential) -> datetime:
        """Return the date from which a course credential is shown."""
        configuration = self.course_certificates.get(row.key)
        return (configuration and configuration.available) or row.created

    def is_visible(self, row: Credential) -> bool:
        """Whether it is shown now: a program from the latest date of all the course credentials in its runs on."""
        if row.type == "course-run":
            return self.available(row) <= self.clock()
        program = next(program for program in self.programs if program.uuid == row.key)
        runs = program.runs()
        dates = [self.available(item) for item in self.of_user(row.username) if item.key in runs]
        return bool(dates) and max(dates) <= self.clock()

    def shown(self, row: Credential) -> dict[str, Any]:
        """Return the JSON of a row."""
        credential: dict[str, Any]
        if row.type == "course-run":
            mode = self.course_certificates[row.key].mode
            credential = {"type": row.type, "course_run_key": row.key, "mode": mode}
        else:
            number = self.program_certificates[row.key].id
            credential = {"type": row.type, "credential_id": number, "program_uuid": row.key}
        return {
            "username": row.username,
            "credential": credential,
            "status": row.status,
            "uuid": row.uuid,
            "attributes": [{"name": name, "value": value} for name, value in row.attributes.items()],
            "date_override": None if row.override is None else {"date": written(row.override)},
            "created": written(row.created),
            "modified": written(row.modified),
            "certificate_url": f"https://credentials.example/credentials/{row.uuid.replace('-', '')}/",
        }


def written(instant: datetime | None) -> str | None:
    """Write an instant as the service does: UTC, in seconds."""
    return None if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: Any) -> datetime | None:
    """Read a date as the service does: without an offset it is UTC. None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
