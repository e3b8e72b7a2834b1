"""The tables of an export, imported in any order, end as they do together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from certrules.core.guard import PublishedCertificate
from certrules.core.terms import Status
from certrules.core.timeline import Timeline
from localcloud import LocalCloud
from tests.scenes.platform_tables import COURSE_RUN, Tables, instant
from tests.scenes.scene import OWN_EVENTS, TEMPLATE, Learner, Scene

LEARNERS = 8

CERTIFICATES = "certificates_generatedcertificate"
ENROLLMENTS = "student_courseenrollment"
HISTORY = "student_courseenrollment_history"
GRADES = "grades_persistentcoursegrade"
INVALIDATIONS = "certificates_certificateinvalidation"
ALLOWLIST = "certificates_certificateallowlist"
ALLOWLIST_HISTORY = "certificates_historicalcertificateallowlist"
PHOTOS = "verify_student_softwaresecurephotoverification"
ROLES = "student_courseaccessrole"
OVERVIEWS = "course_overviews_courseoverview"
OVERRIDES = "certificates_certificatedateoverride"

#: The tables that can be imported apart. Invalidations and overrides name a certificate's id, so they come with it.
APART = (
    (OVERVIEWS,), (ENROLLMENTS,), (HISTORY,), (GRADES,), (PHOTOS,), (ALLOWLIST,), (ALLOWLIST_HISTORY,), (ROLES,),
    (CERTIFICATES, INVALIDATIONS, OVERRIDES),
)  # fmt: skip


@dataclass
class Row:
    table: str
    fields: dict[str, Any]


def day(number: int) -> str:
    return f"{instant('2026-01-01') + timedelta(days=number):%Y-%m-%d %H:%M:%S}"


def rows_of(learner_id: int, chance: Random) -> Iterator[Row]:
    """Yield the rows that a platform has of a learner: each table is consistent with its history."""
    yield from _enrollment_rows(learner_id, chance)
    passed, fell = chance.choice([(True, False), (True, True), (False, False)])
    yield Row(
        GRADES,
        {
            "user_id": learner_id,
            "letter_grade": "Pass" if passed and not fell else "",
            "passed_timestamp": day(40 + learner_id) if passed else None,
            "modified": day(chance.choice([60, 80])),
        },
    )
    if chance.random() < 0.8:
        yield Row(PHOTOS, {"user_id": learner_id, "id": learner_id, "status": chance.choice(["approved", "denied"])})
    if chance.random() < 0.2:
        yield Row(ROLES, {"user_id": learner_id})
    yield from _allowlist_rows(learner_id, chance)
    if chance.random() < 0.7:
        status = chance.choice(["downloadable", "downloadable", "notpassing", "unavailable", "unverified", "error"])
        when = {"created_date": day(50), "modified_date": day(chance.choice([50, 70, 90]))}
        yield Row(
            CERTIFICATES,
            {"id": learner_id, "user_id": learner_id, "status": status, "verify_uuid": f"{learner_id:032x}", **when},
        )
        if chance.random() < 0.3:
            yield Row(INVALIDATIONS, {"id": learner_id, "generated_certificate_id": learner_id, "created": day(95)})
        if chance.random() < 0.3:
            yield Row(OVERRIDES, {"id": learner_id, "generated_certificate_id": learner_id})


def _enrollment_rows(learner_id: int, chance: Random) -> Iterator[Row]:
    who = {"user_id": learner_id, "created": day(10)}
    modes = [chance.choice(["audit", "verified", "honor"]) for _ in range(chance.randint(1, 3))]
    start = chance.choice([0, 10])  # the history may be younger than the enrollment
    for number, mode in enumerate(modes):
        when = {"history_date": day(10 + start + 20 * number), "history_id": f"{learner_id}-{number}"}
        yield Row(HISTORY, {**who, **when, "mode": mode, "history_type": "~" if number else "+"})
    yield Row(ENROLLMENTS, {**who, "mode": modes[-1]})


def _allowlist_rows(learner_id: int, chance: Random) -> Iterator[Row]:
    listed = chance.choice([[], [True], [True, False], [True, False, True]])
    who = {"user_id": learner_id, "created": day(30)}
    for number, value in enumerate(listed):
        when = {"history_date": day(30 + 10 * number), "history_id": learner_id * 10 + number, "history_user_id": None}
        yield Row(ALLOWLIST_HISTORY, {**who, **when, "allowlist": int(value), "history_type": "~" if number else "+"})
    if listed:
        modified = day(30 + 10 * (len(listed) - 1))
        yield Row(ALLOWLIST, {**who, "id": learner_id, "modified": modified, "allowlist": int(listed[-1])})


@pytest.fixture(scope="module")
def stack() -> Iterator[Scene]:
    """The stack of the template."""
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        yield Scene(cloud)


def import_(stack: Scene, rows: Sequence[Row], tables: Sequence[str], folder: Path) -> None:
    """Import these tables by the real function."""
    folder.mkdir(parents=True)
    export = Tables(folder)
    for row in rows:
        if row.table in tables:
            export.add(row.table, **row.fields)
    if export._rows:
        read = export.read()
        assert read.rejects == []
        read.load(stack.cloud, f"runs/{uuid4()}")
        stack.cloud.deliver(delayed=True)


def ends(stack: Scene, rows: Sequence[Row], imports: Sequence[Sequence[str]], folder: Path) -> dict[int, Any]:
    """Import tables, one import after the other, then go live; return what is stored and published of each learner."""
    stack.empty_queues()
    stack.empty_tables("CertificatesTable", "HistoryTable")
    for number, tables in enumerate(imports):
        import_(stack, rows, tables, folder / f"{folder.name}-{number}")
    assert stack.take(OWN_EVENTS) == []
    stack.send(Learner(1, COURSE_RUN).configured(instant("2026-06-02"), rollout="live"), at=instant("2026-06-02"))
    stack.cloud.deliver(delayed=True)
    stack.cloud.deliver(delayed=True)
    events: dict[int, list[str]] = {}
    for event in stack.take(OWN_EVENTS):
        if "certificate" in event["detail"]:
            events.setdefault(event["detail"]["certificate"]["user"]["id"], []).append(event["detail-type"])
    found = {number: stack.stored_record(Learner(number, COURSE_RUN)) for number in range(1, LEARNERS + 1)}
    return {
        number: (values(record.timeline), with_known_id(record.published, number), sorted(events.get(number, ())))
        for number, record in found.items()
    }


def with_known_id(published: PublishedCertificate, learner_id: int) -> PublishedCertificate:
    """Return what is published; an id that no row has is a new one."""
    certificate = published.certificate
    if certificate is None or certificate.certificate_id == f"{learner_id:032x}":
        return published
    return published._replace(certificate=certificate._replace(certificate_id="new"))


def values(timeline: Timeline) -> list[tuple[Any, ...]]:
    """Return what a timeline states since when, without repeated values: these change nothing."""
    last: dict[Any, Any] = {}
    found = []
    for entry in timeline:
        line = (entry.fact, entry.subject)
        if line not in last or last[line] != entry.value:
            found.append((entry.at, *line, entry.value))
        last[line] = entry.value
    return sorted(found, key=lambda item: item[:3])


@settings(max_examples=5, phases=[Phase.generate])  # each takes some ten imports
@given(seed=st.integers(0, 10_000), order=st.permutations(APART), cuts=st.sets(st.integers(1, 8)))
def test_the_tables_of_an_export_in_any_order_and_number_of_imports_end_as_one_import(
    stack: Scene, tmp_path_factory: pytest.TempPathFactory, seed: int, order: list[tuple[str, ...]], cuts: set[int]
) -> None:
    chance = Random(seed)
    rows = [Row(OVERVIEWS, {}), *(row for number in range(1, LEARNERS + 1) for row in rows_of(number, chance))]
    places = [0, *sorted(cuts), len(order)]
    partial = [sum(order[start:end], ()) for start, end in pairwise(places)]
    folder = tmp_path_factory.mktemp("partial")
    together = ends(stack, rows, [sum(APART, ())], folder / "together")
    apart = ends(stack, rows, partial, folder / "apart")
    assert apart == together


def test_a_certificate_that_stands_although_the_grade_fell_stands_whichever_table_comes_first(
    stack: Scene, tmp_path: Path
) -> None:
    who = {"user_id": 1}
    rows = [
        Row(OVERVIEWS, {}),
        Row(ENROLLMENTS, who),
        Row(PHOTOS, who),
        Row(GRADES, {**who, "letter_grade": "", "modified": day(80)}),
        Row(CERTIFICATES, {**who, "verify_uuid": f"{1:032x}"}),
    ]
    for number, imports in enumerate(
        [[[GRADES, OVERVIEWS, PHOTOS, ENROLLMENTS], [CERTIFICATES]], [[CERTIFICATES], [GRADES]]]
    ):
        _, published, events = ends(stack, rows, imports, tmp_path / str(number))[1]
        certificate = published.certificate
        assert certificate is not None
        assert (certificate.status, certificate.certificate_id) == (Status.DOWNLOADABLE, f"{1:032x}")
        assert (published.pending, events) == (None, [])
