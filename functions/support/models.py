"""What requests to the support API hold."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.openapi.params import Path as PathParameter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from certrules.core.programs.reasons import ProgramCause
from certrules.formats.course_keys import COURSE_KEY
from certrules.formats.written_instants import read_instant
from certrules.support import lists, revocations
from certrules.support.acts import ACTS, SWITCHES
from certrules.support.program_acts import PROGRAM_ACTS
from certrules.support.sending_again import MOST_CHANGES

_TURNS_TEXT = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Characters that make a text look like another one."""


_READABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"
"""What `readable` lets through, as the document states it."""


def readable(text: str) -> str:
    """Return a text without control characters and changes of direction. Raises ValueError if it has any."""
    if any((ord(letter) < 32 and letter not in "\n\t\r") or 127 <= ord(letter) < 160 for letter in text):
        raise ValueError("leave out control characters")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise ValueError("leave out halves of characters")
    if _TURNS_TEXT & {ord(letter) for letter in text}:
        raise ValueError("leave out characters that turn the direction of text")
    return text


def whole_number(text: object) -> object:
    """Return a number of a path or a query, as its text. Raises ValueError for one that isn't written in digits."""
    if not isinstance(text, str) or (text.isascii() and text.isdigit() and len(text) < 20):
        return text
    raise ValueError("write a whole number in digits")


def true_or_false(text: object) -> object:
    """Return a switch of a query. Raises ValueError for one that is neither true nor false."""
    if text in {"true", "false", True, False}:
        return text
    raise ValueError("write true or false")


_ID = {"ge": 1, "lt": 2**63, "description": "The platform's user id."}


_KEY: dict[str, Any] = {
    "min_length": 1,
    "max_length": 255,
    "description": "The course run's key.",
    "json_schema_extra": {"pattern": f"^(?:{COURSE_KEY.pattern})$"},  # validated by the call, which names the fix
}


Instant = Annotated[datetime, BeforeValidator(read_instant), WithJsonSchema({"type": "string", "format": "date-time"})]


LearnerId = Annotated[int, BeforeValidator(whole_number), Query(**_ID, examples=[86])]


LearnerInPath = Annotated[int, BeforeValidator(whole_number), PathParameter(**_ID)]


CourseRunOrAny = Annotated[
    str,
    Query(
        max_length=255,
        description="The course run's key; empty: of all.",
        json_schema_extra={"pattern": f"^(?:|{COURSE_KEY.pattern})$"},  # validated by the call, as above
    ),
]


CourseRun = Annotated[str, Query(**_KEY, examples=["course-v1:DemoX+CS101+2026_T1"])]


_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_PROGRAM = "8a1b2c3d-0000-4000-8000-000000000001"


_NAMED = {"min_length": 1, "max_length": 255}


Username = Annotated[str | None, Query(**_NAMED, description="In any case.", examples=["ada"])]


Email = Annotated[str | None, Query(**_NAMED, description="Only where the platform can be asked.")]


AsOf = Annotated[Instant | None, Query(description="As of this instant; default: now, as published.")]


Start = Annotated[
    int, BeforeValidator(whole_number), Query(ge=0, le=2**53, description="`next` of the page before; 0: the first.")
]


def choice(known: Iterable[str], description: str) -> Any:
    """Return the type of a field of a query that is one of a closed list, or empty; the call refuses any other."""
    return Annotated[str, Query(description=description, json_schema_extra={"enum": ["", *known]})]


Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before, as it is.")]


Key = Annotated[
    str, Header(alias="idempotency-key", min_length=8, max_length=255, description="The same key acts once.")
]


Learner = Annotated[int, Field(**_ID, examples=[86])]


RunKey = Annotated[str, Field(**_KEY, examples=["course-v1:DemoX+CS101+2026_T1"])]


Learners = Annotated[
    list[Learner] | None, Field(max_length=revocations.MOST_LEARNERS, description="null: all whose revocation is held")
]


Version = Annotated[int, Field(ge=0, le=2**53)]


Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=1000),
    AfterValidator(readable),
    Field(
        description="Why; it is kept and shown. No personal data.",
        examples=["ticket 12"],
        json_schema_extra={"pattern": _READABLE},
    ),
]


RunId = Annotated[str, PathParameter(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="The bulk run's id.")]


Decision = Annotated[str, PathParameter(json_schema_extra={"enum": ["approve", "decline"]})]


SwitchInPath = Annotated[str, PathParameter(json_schema_extra={"enum": list(SWITCHES)})]


class Strict(BaseModel):
    """A body in which nothing stands that isn't read, and each value is of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PreviewRequest(Strict):
    """An act to look at, on one learner's certificate in one course run."""

    act: Literal[*ACTS]  # type: ignore[valid-type]
    learner_id: Learner
    course_run: RunKey
    reason: Reason
    date: Annotated[Instant | None, Field(description="Only of date-set: the date to show.")] = None
    version: Annotated[Version | None, Field(description="The case's version that was seen; another is refused.")] = (
        None
    )


class ActRequest(PreviewRequest):
    """An act on one learner's certificate in one course run."""

    version: Annotated[
        Version | None,
        Field(description="The case's version that was seen (as in the preview): another is refused. null: any."),
    ]


class WhatIf(Strict):
    """Changes to a copy of a case."""

    learner_id: Learner
    course_run: RunKey
    changes: Annotated[list[str], Field(max_length=20, description="Codes, such as pass or mode:verified.")] = []
    events: Annotated[list[dict[str, Any]], Field(max_length=20, description="Event details, as on the bus.")] = []
    as_of: Annotated[Instant | None, Field(description="Just after this instant; null: now.")] = None


class Switch(Strict):
    """Stop or resume automatic revocations."""

    course_run: Annotated[RunKey | None, Field(description="null: everywhere")]
    reason: Reason


class Retry(Strict):
    """Try deliveries again: of a learner, or of a course run its dates; with `kind` and `of` one of a learner."""

    learner_id: Learner | None = None
    course_run: RunKey | None = None
    kind: Annotated[
        Literal["course", "grade", "program"] | None,
        Field(description="Of one delivery, as the learner's programs show it: it is sent again, whatever is known."),
    ] = None
    of: Annotated[
        str | None, Field(max_length=255, description="Its `key`: the course run, or the program's uuid.")
    ] = None
    reason: Reason


class SendAgainRange(Strict):
    """What was published in a time: of a certificate, of all of a course run, or of the whole deployment."""

    course_run: Annotated[RunKey | None, Field(description="null: all course runs.")] = None
    learner_id: Annotated[
        Learner | None, Field(description="null: all learners; then `since` is needed. It needs a course run.")
    ] = None
    since: Annotated[Instant | None, Field(description="From this instant on; null: from the beginning.")] = None
    until: Annotated[Instant | None, Field(description="Before this instant; null: up to now.")] = None
    skip: Annotated[
        int, Field(ge=0, le=MOST_CHANGES, description="How many of them, the oldest, requests before have sent.")
    ] = 0


class SendAgain(SendAgainRange):
    """Send the next of them again, if they are still as many changes as were seen."""

    changes: Annotated[int, Field(ge=1, description="How many there were in the preview: another number is refused.")]
    reason: Reason


class ProgramActRequest(Strict):
    """An act on the pending revocation of a learner's program certificate."""

    act: Literal[*PROGRAM_ACTS]  # type: ignore[valid-type]
    learner_id: Learner
    program: Annotated[str, Field(pattern=_UUID, description="Its uuid.", examples=[_PROGRAM])]
    reason: Reason
    cause: Annotated[
        Literal[*ProgramCause] | None,  # type: ignore[valid-type]
        Field(description="Of the pending revocation that was seen: another is refused. null: any."),
    ] = None


class BulkRevocation(Strict):
    """Ask for several certificates to be revoked."""

    act: Literal["release", "invalidate"]
    course_run: RunKey
    learners: Learners = None
    reason: Reason


class BulkDiscard(Strict):
    """Have certificates stay whose revocation is held."""

    course_run: RunKey
    learners: Learners = None
    reason: Reason


class ListPreview(Strict):
    """An act on the learners of a list in a course run, to look at."""

    act: Literal["allowlist-add", "invalidate", "discard"]
    course_run: RunKey
    text: Annotated[
        str,
        Field(
            min_length=1,
            max_length=lists.MOST_CHARACTERS,
            description="A learner a line: an id, or a username or an e-mail where names are known, and after a "
            "comma a note. At most 1,000.",
            examples=["86,lab 3 lost its points\n97"],
        ),
    ]
    reason: Reason


class ListAct(ListPreview):
    """An act on the learners of a list in a course run."""

    seen: Annotated[
        str | None,
        Field(
            max_length=64, description="`seen` of the preview: if another outcome is due now, it is refused. null: any."
        ),
    ] = None
