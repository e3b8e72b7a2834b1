"""The client of the Credentials service: one request, one typed outcome.

There is no version and no condition in that service: whatever is sent last is what it holds. So a request may be
repeated, and never two may be in flight for one credential; records.delivering sees to that.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, assert_never
from urllib.parse import quote, urlencode

from botocore.exceptions import BotoCoreError, ClientError

from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Desired,
    Grade,
    ProgramCredential,
    Target,
    Username,
    four_decimals,
)
from certrules.core.deliveries.outcomes import Acknowledged, Outcome, RecordWarning, Unacknowledged, Waiting
from certrules.platform_client import Answer, NoAnswerError, Parameters, PlatformClient, PlatformError
from certrules.records.answers import (
    Credential,
    availability_outcome,
    availability_shown,
    certificates_shown,
    credential_outcome,
    credential_shown,
    grade_outcome,
    grade_shown,
    is_completed,
    refused,
    rename_outcome,
    rows_shown,
)

TIMEOUT_SECONDS = 10
"""How long the service may take to connect, and for each piece of its answer."""

PARAMETERS = Parameters("CredentialsTokenUrl", "CredentialsSecret")

_CREDENTIALS, _GRADES = "/api/v2/credentials/", "/api/v2/grades/"
_AVAILABILITY, _USERNAMES = "/api/v2/course_certificates/", "/api/v2/replace_usernames/"
_STATUS, _RECORDS = "/api/credentials/v1/learner_cert_status/", "/records/api/v1/program_records/"


_NO_COURSE_RUN = "course-v1:none+none+none"
"""Where the question needs a course run, and none is asked about."""


class Unconfirmed(Enum):
    """What the service shows, where that isn't what is desired."""

    DIFFERS = auto()
    NOT_SHOWN = auto()  # it may hold it: this account isn't shown whether it does


class CredentialsClient:
    """A Credentials service, as one account of the platform. The account's token is in this process's memory."""

    def __init__(self, client: PlatformClient) -> None:
        """Send through this client of the platform."""
        self._client = client
        self._may_read = True  # until the service refuses to show credentials to this account

    def send(self, target: Target, desired: Desired, name: str) -> Outcome:
        """Send what is desired of a target, of the learner that the service knows by this name.

        For a username, `name` is the former one.
        """
        match desired:
            case CourseCredential():
                return self.send_course(name, target.key, desired)
            case ProgramCredential():
                assert isinstance(target.owner, int)
                return self.send_program(name, target.key, desired, target.owner)
            case Grade():
                return self.send_grade(name, target.key, desired)
            case Availability():
                return self.send_availability(str(target.owner), desired)
            case Username():
                return self.rename(name, desired.name)
            case _:
                assert_never(desired)

    def send_course(self, name: str, course_run: str, desired: CourseCredential) -> Outcome:
        """Award or revoke the credential of a course run. The date override is always sent: left out is removed."""
        override = _written(desired.date_override)
        body = {
            "username": name,
            "credential": {"type": "course-run", "course_run_key": course_run, "mode": desired.mode},
            "status": _status(desired),
            "date_override": None if override is None else {"date": override},
        }
        return self._sent("POST", _CREDENTIALS, body, lambda answer: credential_outcome(answer, desired, name))

    def send_program(self, name: str, program: str, desired: ProgramCredential, learner_id: int) -> Outcome:
        """Award or revoke the credential of a program; the service sends an e-mail to the user with the LMS's id."""
        body = {
            "username": name,
            "credential": {"type": "program", "program_uuid": program},
            "status": _status(desired),
            "lms_user_id": learner_id,
        }
        return self._sent("POST", _CREDENTIALS, body, lambda answer: credential_outcome(answer, desired, name))

    def send_grade(self, name: str, course_run: str, desired: Grade) -> Outcome:
        """Send a grade; only verified ones count there, and what is sent here is decided."""
        body = {
            "username": name,
            "course_run": course_run,
            "letter_grade": desired.letter,
            "percent_grade": four_decimals(desired.percent),
            "verified": True,
            "lms_last_updated_at": _written(desired.updated_at),
        }
        return self._sent("POST", _GRADES, body, grade_outcome)

    def send_availability(self, course_run: str, desired: Availability) -> Outcome:
        """Send from when on a course run's credentials are shown: all four fields, since the service needs each."""
        body = {
            "course_id": course_run,
            "certificate_type": desired.mode,
            "certificate_available_date": _written(desired.date),
            "is_active": True,
        }
        return self._sent("POST", _AVAILABILITY, body, lambda answer: availability_outcome(answer, desired))

    def rename(self, former: str, name: str) -> Outcome:
        """Rename a user and all rows. Only the account that the service names for it may."""
        body = {"username_mappings": [{former: name}]}
        return self._sent("POST", _USERNAMES, body, rename_outcome)

    def ask(
        self, target: Target, desired: Desired, name: str, *, overridden: bool, uuid: str | None
    ) -> Outcome | Unconfirmed:
        """Return whether the service holds what is desired of a target, by the calls that the account may make.

        `overridden`: the row may have a date override, which not every call shows. A failed question is an outcome.
        """
        match desired:
            case CourseCredential():
                shown = self._read(target, desired, name, uuid)
                return self._ask_status(target, desired, name, overridden) if shown is Unconfirmed.NOT_SHOWN else shown
            case ProgramCredential():
                return self._ask_program(target, desired, name, uuid)
            case Grade():
                return self._ask_grade(target, desired, name)
            case Availability():
                answer = self._answer("GET", f"{_AVAILABILITY}{quote(str(target.owner))}/")
                if isinstance(answer, Answer) and answer.status == 404 and desired.date is None:
                    return Acknowledged()  # what it has nothing of is shown at once
                return _read(answer, lambda body: availability_shown(body, desired))
            case Username():
                known = {"lms_user_id": target.owner, "course_runs": [_NO_COURSE_RUN]}
                return _read(self._answer("POST", _STATUS, known), lambda body: _is_known_as(body, desired.name))
            case _:
                assert_never(desired)

    def _ask_status(
        self, target: Target, desired: CourseCredential, name: str, overridden: bool
    ) -> Outcome | Unconfirmed:
        """Return what the status of a learner shows: awarded credentials only, while they are visible."""
        asked = {"username": name, "course_runs": [target.key]}

        def shown(body: Any) -> Acknowledged | Unconfirmed:
            is_awarded = any(certificates_shown(body, target.key))
            if is_awarded and not desired.is_awarded:
                return Unconfirmed.DIFFERS
            return Acknowledged() if is_awarded and not overridden else Unconfirmed.NOT_SHOWN

        return _read(self._answer("POST", _STATUS, asked), shown)

    def _ask_grade(self, target: Target, desired: Grade, name: str) -> Outcome | Unconfirmed:
        asked = {"username": name, "course_runs": [target.key]}

        def shown(body: Any) -> Acknowledged | Unconfirmed | None:
            is_shown = any(certificates_shown(body, target.key))
            return grade_shown(body, target.key, desired) if is_shown else Unconfirmed.NOT_SHOWN

        return _read(self._answer("POST", _STATUS, asked), shown)

    def _ask_program(
        self, target: Target, desired: ProgramCredential, name: str, uuid: str | None
    ) -> Outcome | Unconfirmed:
        answer = self._answer("GET", f"{_RECORDS}?{urlencode({'username': name})}")
        if isinstance(answer, Answer) and answer.status == 404:
            return Unacknowledged(Waiting.UNKNOWN_USERNAME)

        def shown(body: Any) -> Acknowledged | Unconfirmed:
            if not is_completed(body, target.key):
                return Unconfirmed.NOT_SHOWN
            return Acknowledged(uuid) if desired.is_awarded else Unconfirmed.DIFFERS

        found = _read(answer, shown)
        return self._read(target, desired, name, uuid) if found is Unconfirmed.NOT_SHOWN else found

    def _read(self, target: Target, desired: Credential, name: str, uuid: str | None) -> Outcome | Unconfirmed:
        """Return what a credential's row shows, if the account may see it: that needs a permission of its own."""
        if not self._may_read:
            return Unconfirmed.NOT_SHOWN
        query = urlencode({"username": name, "type": target.kind.replace("course", "course-run")})
        answer = self._answer("GET", f"{_CREDENTIALS}{uuid}/" if uuid else f"{_CREDENTIALS}?{query}")
        if isinstance(answer, Answer) and answer.status == 403:
            self._may_read = False
            return Unconfirmed.NOT_SHOWN

        def shown(body: Any) -> Acknowledged | None:
            rows = [body] if uuid else rows_shown(body, target.key)
            return next((found for row in rows if (found := credential_shown(row, desired, name)) is not None), None)

        return _read(answer, shown)

    def _sent(self, method: str, path: str, body: object, read: Callable[[Answer], Outcome]) -> Outcome:
        answer = self._answer(method, path, body)
        return answer if isinstance(answer, Unacknowledged) else read(answer)

    def _answer(self, method: str, path: str, body: object = None) -> Answer | Unacknowledged:
        try:
            return self._client.request(method, path, body)
        except NoAnswerError as error:
            reason = Waiting.IN_DOUBT if error.was_sent else Waiting.UNAVAILABLE
            return Unacknowledged(reason, error.why)
        except PlatformError as error:
            reason = Waiting.UNAVAILABLE if error.is_passing else Waiting.NOT_AUTHORISED
            return Unacknowledged(reason, error.title)
        except (BotoCoreError, ClientError) as error:
            return Unacknowledged(Waiting.NOT_AUTHORISED, f"the secret can't be read ({type(error).__name__})")


def _read(
    answer: Answer | Unacknowledged, shown: Callable[[Any], Outcome | Unconfirmed | None]
) -> Outcome | Unconfirmed:
    """Return what an answer shows; `shown` returns None for what differs."""
    if isinstance(answer, Unacknowledged):
        return answer
    if answer.status == 404:
        return Unconfirmed.DIFFERS
    return (shown(answer.body) or Unconfirmed.DIFFERS) if answer.status == 200 else refused(answer)


def _written(instant: datetime | None) -> str | None:
    """Write an instant as the service does; None: there is none."""
    return None if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(desired: Credential) -> str:
    return "awarded" if desired.is_awarded else "revoked"


def _is_known_as(body: Any, name: str) -> Acknowledged | None:
    """Return the acknowledgement if the service knows the user by this name; rows may be under the former one still."""
    known = body.get("username") if isinstance(body, dict) else None
    return Acknowledged(warning=RecordWarning.TWO_USERNAMES) if known == name else None
