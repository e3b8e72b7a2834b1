"""The platform's way: each rule fetches its own facts. Written from the platform's recorded database queries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import django
from django.conf import settings
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext

from bench.batches import BATCH, BATCHES, CASES, CERTIFICATES, HISTORY, Ingest, unseen_output
from bench.learners import COURSE_RUNS
from bench.measure import Turn, compare, timed
from bench.tables import Row, Table, microseconds, per_second
from bench.wire import Wire
from certrules import storage

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}, USE_TZ=True, INSTALLED_APPS=[]
)
django.setup()

ROUNDS = 21
COURSE_RUN = COURSE_RUNS[0]
NOW = datetime(2026, 5, 18, 10, tzinfo=UTC)
_TABLES: list[Any] = []


def _table(name: str, /, **columns: Any) -> Any:
    """Return a model of one table."""
    meta = type("Meta", (), {"app_label": "bench"})
    model = type(name, (models.Model,), {**columns, "Meta": meta, "__module__": __name__})
    _TABLES.append(model)
    return model


def _text() -> Any:
    return models.CharField(max_length=255, default="", db_index=True)


def _of_learner(name: str, /, **columns: Any) -> Any:
    return _table(name, learner_id=models.IntegerField(db_index=True), course_run=_text(), **columns)


def _attempts(name: str) -> Any:
    return _table(
        name,
        learner_id=models.IntegerField(db_index=True),
        status=_text(),
        expires_at=models.DateTimeField(null=True),
    )


Switch = _table("Switch", name=_text(), active=models.BooleanField(default=True))
Learner = _table("Learner", username=_text(), active=models.BooleanField(default=True))
Profile = _table("Profile", learner_id=models.IntegerField(db_index=True), name=_text())
CourseRun = _table("CourseRun", key=_text(), web_certificates=models.BooleanField(default=True), shown=_text())
RunSettings = _table("RunSettings", course_run=_text(), enabled=models.BooleanField(default=True))
Mode = _table("Mode", course_run=_text(), slug=_text())
Enrollment = _of_learner("Enrollment", mode=_text(), active=models.BooleanField(default=True))
PhotoAttempt = _attempts("PhotoAttempt")
SsoAttempt = _attempts("SsoAttempt")
ManualAttempt = _attempts("ManualAttempt")
Allowed = _of_learner("Allowed", active=models.BooleanField(default=True))
Invalidation = _table("Invalidation", certificate_id=models.IntegerField(db_index=True), active=models.BooleanField())
Role = _of_learner("Role", role=_text())
Grade = _of_learner("Grade", percent=models.FloatField(default=0), passed_at=models.DateTimeField(null=True))
DateOverride = _table("DateOverride", certificate_id=models.IntegerField(db_index=True), date=models.DateTimeField())
_CERTIFICATE = {"status": _text, "mode": _text, "grade": _text, "verify_uuid": _text}
Certificate = _of_learner("Certificate", **{name: column() for name, column in _CERTIFICATE.items()})
CertificateHistory = _of_learner("CertificateHistory", **{name: column() for name, column in _CERTIFICATE.items()})


def fill() -> None:
    """Make the tables, and ten learners who have earned a certificate."""
    with connection.schema_editor() as editor:
        for table in _TABLES:
            editor.create_model(table)
    CourseRun.objects.create(key=COURSE_RUN)
    RunSettings.objects.create(course_run=COURSE_RUN)
    Switch.objects.create(name="certificates")
    Mode.objects.create(course_run=COURSE_RUN, slug="verified")
    for learner_id in range(1, BATCH + 1):
        who = {"learner_id": learner_id, "course_run": COURSE_RUN}
        Learner.objects.create(id=learner_id, username=f"learner{learner_id}")
        Profile.objects.create(learner_id=learner_id, name="A Learner")
        Enrollment.objects.create(**who, mode="verified")
        PhotoAttempt.objects.create(learner_id=learner_id, status="approved", expires_at=NOW + timedelta(days=700))
        Grade.objects.create(**who, percent=0.84, passed_at=NOW)


def issue(learner_id: int) -> str:
    """Decide on a learner's certificate, and issue it if they have earned it. Returns the first reason against it."""
    who = {"learner_id": learner_id, "course_run": COURSE_RUN}
    learner = Learner.objects.get(id=learner_id)
    run = CourseRun.objects.get(key=COURSE_RUN)
    if not RunSettings.objects.filter(course_run=COURSE_RUN).order_by("-id").values_list("enabled", flat=True).first():
        return "generation_off"
    if Allowed.objects.filter(**who, active=True).exists():
        return "allowlist"
    certificate = Certificate.objects.filter(**who).first()
    if certificate and Invalidation.objects.filter(certificate_id=certificate.id, active=True).exists():
        return "invalidated"
    if not Switch.objects.filter(name="certificates", active=True).exists() or not run.web_certificates:
        return "web_certificates_off"
    enrollment = Enrollment.objects.filter(**who).first()
    if enrollment is None:
        return "not_enrolled"
    if enrollment.mode not in {mode.slug for mode in Mode.objects.filter(course_run=COURSE_RUN)}:
        return "mode_not_eligible"
    attempts = [
        list(table.objects.filter(learner_id=learner_id)) for table in (PhotoAttempt, SsoAttempt, ManualAttempt)
    ]
    if not any(attempt.status == "approved" and attempt.expires_at > NOW for found in attempts for attempt in found):
        return "id_not_verified"
    if Role.objects.filter(**who, role="beta_testers").exists():
        return "beta_tester"
    grade = Grade.objects.filter(**who).first()
    if grade is None or grade.passed_at is None:
        return "not_passed"
    return _write(learner, enrollment.mode, grade.percent, who)


def _write(learner: Any, mode: str, percent: float, who: dict[str, Any]) -> str:
    """Save the certificate as the platform does: facts looked up again, a row, its history, the signal."""
    Profile.objects.get(learner_id=learner.id)
    Enrollment.objects.filter(**who).first()
    with transaction.atomic():
        values = {"status": "downloadable", "mode": mode, "grade": str(percent), "verify_uuid": "f" * 32}
        certificate, _ = Certificate.objects.update_or_create(**who, defaults=values)
        CertificateHistory.objects.create(**who, **values)
    Switch.objects.filter(name="events").exists()
    DateOverride.objects.filter(certificate_id=certificate.id).first()
    CourseRun.objects.get(key=COURSE_RUN)
    return ""


def measure() -> Table:
    """Return the cost of an issued certificate either way. Raises ValueError if one isn't issued."""
    fill()
    with CaptureQueriesContext(connection) as queries:
        refused = issue(1)
    if refused:
        raise ValueError(refused)

    def all_of_them() -> None:
        for learner_id in range(1, BATCH + 1):
            issue(learner_id)

    timed_turn = timed(all_of_them, BATCH)

    def turn() -> float:
        Certificate.objects.all().delete()
        CertificateHistory.objects.all().delete()
        return timed_turn()

    ours, theirs = "our handler", f"Django, {len(queries)} statements"
    with unseen_output():
        sides = compare({ours: _handler(), theirs: turn}, ROUNDS)
    rows = [
        Row(name, (microseconds(side), per_second(side)), None if name == ours else side.ratio)
        for name, side in sides.items()
    ]
    return Table("a certificate issued", ("µs of CPU", "a second, one core"), ours, rows)


def _handler() -> Turn:
    """Return the handler's turn: certificates issued, the network replaced by answers from memory."""
    wire = Wire()
    ingest = Ingest(wire)
    storage.connect(CERTIFICATES, HISTORY)  # a new connection, that meets this wire
    receivers = ingest.batches()[CASES[1]]

    def run() -> None:
        for batch in receivers:
            wire.answer = batch.respond
            ingest(batch.event)

    return timed(run, BATCH * BATCHES)
