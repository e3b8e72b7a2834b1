"""The settings of an Open edX installation that sends its events here, from the table of the events that are read."""

from collections.abc import Iterable, Iterator

from certrules.formats.event_form import EventType
from certrules.formats.event_types import EVENT_TYPES
from certs.reference import fields_of

PLATFORM = "org.openedx.learning."

TOPICS = {
    "course.unenrollment": "course-unenrollment-lifecycle",
    "user.course_access_role": "learning-course-access-role-lifecycle",
    "exam.attempt": "learning-exam-attempt-lifecycle",
}
"""The topics that the platform's own settings have; EventBridge needs none, and others are named by subject."""


def producer_config(*, of_exams: bool = False) -> str:
    """Return `EVENT_BUS_PRODUCER_CONFIG` of the LMS, or of the exams service, as Python."""
    lines = []
    for name, topic, key in _rows(EVENT_TYPES.values(), of_exams=of_exams):
        lines += [
            f'    "{name}": {{',
            f'        "{topic}": {{"event_key_field": "{key}", "enabled": True}},',
            "    },",
        ]
    return "\n".join(["{", *lines, "}"])


def _rows(event_types: Iterable[EventType], *, of_exams: bool) -> Iterator[tuple[str, str, str]]:
    """Yield type, topic and key field. The old logic's certificates are not among them: the plugin sends their rows."""
    for event_type in event_types:
        subject = event_type.name.removeprefix(PLATFORM)
        is_platforms = event_type.name.startswith(PLATFORM) and not subject.startswith("certificate.")
        if is_platforms and subject.startswith("exam.") == of_exams:
            yield event_type.name, _topic_of(subject), _key_of(event_type)


def _topic_of(subject: str) -> str:
    stem = subject.rpartition(".v")[0].rpartition(".")[0]
    return TOPICS.get(stem, f"learning-{stem.replace('.', '-').replace('_', '-')}-lifecycle")


def _key_of(event_type: EventType) -> str:
    """Return the path of the course run's key, or of the learner's id where no course run is named."""
    paths = [field.path for field in fields_of(event_type)]
    return next((path for path in paths if path.endswith("course_key")), None) or next(
        path for path in paths if path.endswith("user.id")
    )
