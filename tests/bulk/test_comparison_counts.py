"""Course runs in shadow compared with the old logic, taken live, back and live again: every difference is known before.

The planted differences are one of each class; the report has to name each, and going live to do what it announced.
"""

import csv
import json
from collections import Counter
from datetime import datetime
from io import StringIO
from typing import Any
from uuid import UUID

import pytest

from certrules.bulk.comparison_counts import Agreement, Comparisons, percent
from certrules.bulk.report_page import bars_of
from certrules.core.comparison import Comparison, Effect, Kind
from certrules.core.old_statuses import OLD_STATUSES, Withheld
from certrules.core.terms import Status
from certrules.storage.tables import Pair
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from tests.scenes.bulk_runs import NOW, Run, class_of, everything
from tests.scenes.comparisons import EXPECTED, plant, recorded, reported
from tests.scenes.scene import Learner, Scene, as_time, day

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def sent(detail: Detail, at: datetime) -> Detail:
    """Return a detail in the bus's envelope, sent at an instant."""
    return {**event_builders.envelope(detail), "time": as_time(at)}


def roll(scene: Scene, first: Learner, learners: list[Learner], at: datetime, rollout: str) -> None:
    """Set a course run's rollout, and have its learners decided again, as `redecide` does."""
    scene.ingest(sent(first.configured(at, rollout=rollout), at))
    for learner in learners:
        scene.ingest(sent(learner.requested(at), at))


def test_every_difference_is_named_before_going_live_which_does_what_was_stated(scene: Scene, learner: Learner) -> None:
    planted = plant(scene, learner)
    learners = list(planted.values())
    before = everything(scene)
    assert not [key for key in before if key[0] == "HistoryTable" and learner.course_run in key[2]]

    run = Run(scene, [learner.course_run], more={"purpose": "compare"})
    assert run.planned() == "report"
    report = run.report()

    assert everything(scene) == before  # nothing is changed, and nothing is published
    comparison = report["comparison"]
    assert comparison["all"]["classes"] == Counter(kind for kind, _ in EXPECTED.values())
    assert comparison["all"]["going_live"] == Counter(effect for _, effect in EXPECTED.values())
    assert (comparison["all"]["learners"], comparison["all"]["certificates"]) == (12, 11)
    listed = {int(row["learner_id"]): row for row in csv.DictReader(StringIO(run.text("report.csv")))}
    for name, one in planted.items():
        kind, effect = EXPECTED[name]
        if kind == "agree":
            assert one.learner_id not in listed
        else:
            row = listed[one.learner_id]
            assert (row["class"], row["going_live"]) == (kind, effect)
            assert row["sentence"].endswith(".")
    assert {item["learner_id"] for item in comparison["samples"]} == listed.keys()
    (course_run,) = comparison["course_runs"]
    assert (comparison["ready"], comparison["not_ready"]) == ([], 1)
    assert course_run["obstacles"] == [
        "3 downloadable by the old logic, and not by the facts",
        "2 would be held for a person",
        "1 of which a core fact is missing",
        "agreement on 9.1% of 11 certificates",
    ]
    page = run.text("report.html")
    assert "<svg" in page
    assert planted["fell"].course_run in page

    changes = {change["learner_id"]: change for change in run.changes()}
    roll(scene, learner, learners, NOW, "live")
    for name, one in planted.items():
        news = reported(scene, one)
        match EXPECTED[name][1]:
            case "none" | "details":
                assert news == []
            case "hold":
                assert news == [(None, "held")]
            case _:
                assert [
                    [item["at"], item["previous"], item["status"], item["cause"]] for item in scene.history(one)
                ] == (changes[one.learner_id]["steps"])
        if name not in {"label", "nothing"}:
            certificate = scene.certificate(one)
            assert certificate is not None
            assert certificate.status is Status.DOWNLOADABLE
            if name != "noncore":
                assert certificate.certificate_id == UUID(int=one.learner_id).hex

    live = everything(scene)
    roll(scene, learner, learners, day(200), "live")  # the same word once more, though an earlier one
    roll(scene, learner, learners, NOW, "shadow")
    assert {key for key in everything(scene) if key[0] == "HistoryTable"} == {
        key for key in live if key[0] == "HistoryTable"
    }


def test_a_course_run_that_agrees_is_ready(scene: Scene, learner: Learner) -> None:
    learners = class_of(4, learner)
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    for one in learners:
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)), recorded(one, grade=""))

    report = Run(scene, [learner.course_run], more={"purpose": "compare"}).go()

    assert report["state"] == "planned"
    assert report["comparison"]["ready"] == [learner.course_run]
    assert report["comparison"]["all"]["agreement"] == 1
    assert report["plan"]["counts"]["changes"] == 0
    finished = [
        body["detail"]["comparison"]
        for body in scene.take("own-events")
        if body["detail-type"] == "certificates.comparison.finished.v1"
    ]
    assert [(item["learners"], item["classes"], item["ready"]) for item in finished] == [(4, {"agree": 4}, 1)]


def test_a_learner_who_cannot_be_read_keeps_a_course_run_from_being_ready(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(learner.enrolled(day(1)), learner.id_approved(day(1)), learner.passing(day(3)), recorded(learner))
    scene.client("dynamodb").update_item(
        TableName=scene.cloud.physical("CertificatesTable"),
        Key={"p": {"S": f"L#{learner.learner_id}"}, "s": {"S": learner.course_run}},
        UpdateExpression="SET e = :broken",
        ExpressionAttributeValues={":broken": {"S": "no timeline"}},
    )

    run = Run(scene, [learner.course_run], more={"purpose": "compare"})
    report = run.go()

    (course_run,) = report["comparison"]["course_runs"]
    assert course_run["obstacles"] == ["1 could not be read", "none of its records could be read; nothing was compared"]
    assert (course_run["agreement"], report["comparison"]["all"]["agreement"]) == (None, None)
    assert "nothing was compared" in run.text("report.html")


def compare(scene: Scene, *course_runs: str) -> tuple[Run, dict[str, Any]]:
    """Compare course runs, and return the run with its comparison."""
    run = Run(scene, list(course_runs), more={"purpose": "compare"})
    comparison: dict[str, Any] = run.go()["comparison"]
    return run, comparison


def test_a_grade_that_the_old_logic_lacks_is_counted_apart_and_is_no_disagreement(
    scene: Scene, learner: Learner
) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"), learner.enrolled(day(1)), learner.id_approved(day(1)))
    scene.ingest(learner.graded(day(3), 0.85, "B"), recorded(learner, grade=""))

    _, comparison = compare(scene, learner.course_run)

    assert (comparison["all"]["classes"], comparison["all"]["agreement"]) == ({"grade_missing": 1}, 1)
    assert comparison["ready"] == [learner.course_run]
    (sample,) = comparison["samples"]
    assert sample["differences"] == [{"field": "grade_missing", "old_logic": "", "facts": "0.85"}]


def test_a_course_run_with_nothing_to_compare_is_named_and_never_agrees(scene: Scene, learner: Learner) -> None:
    known, empty, unknown, fresh = (f"{learner.course_run}{name}" for name in ("", "_empty", "_unknown", "_fresh"))
    scene.ingest(*(Learner(1, name).configured(day(1), rollout="shadow") for name in (known, empty, fresh)))
    scene.ingest(learner.enrolled(day(1)), learner.id_approved(day(1)), learner.passing(day(3)), recorded(learner))
    new = Learner(learner.learner_id + 1, fresh)
    scene.ingest(new.enrolled(day(1)), new.id_approved(day(1)))

    run, comparison = compare(scene, known, empty, unknown, fresh)

    no_learner = "no learner is known in it; nothing was compared"
    no_certificate = "no certificate of the old logic is recorded in it; there is nothing to compare with"
    rows = {row["course_run"]: row for row in comparison["course_runs"]}
    assert {name: (row["agreement"], row["not_compared"]) for name, row in rows.items()} == {
        known: (1.0, None), empty: (None, no_learner), unknown: (None, no_learner), fresh: (None, no_certificate),
    }  # fmt: skip
    assert rows[empty]["obstacles"] == [no_learner]
    assert rows[unknown]["obstacles"] == [
        "the course run is not known: no configuration of it has been received", no_learner,
    ]  # fmt: skip
    assert (comparison["ready"], comparison["not_ready"]) == ([known], 3)
    assert comparison["not_compared"] == sorted([empty, unknown, fresh])
    assert comparison["all"]["agreement"] == 1
    page = run.text("report.html")
    assert all(text in page for text in (no_learner, no_certificate, "the course run is not known"))

    _, nothing = compare(scene, empty, unknown)
    assert (nothing["all"]["agreement"], nothing["ready"]) == (None, [])


def test_who_would_be_issued_a_certificate_is_listed_and_what_was_withheld_is_counted_by_status(
    scene: Scene, learner: Learner
) -> None:
    statuses = [status for status in Status if status is not Status.DOWNLOADABLE]
    learners = dict(zip(statuses, class_of(len(statuses), learner), strict=True))
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    for status, one in learners.items():
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)), recorded(one, day(4), status))

    run, comparison = compare(scene, learner.course_run)

    withheld = [status for status in statuses if OLD_STATUSES[status].withheld is not Withheld.NO]
    listed = list(csv.DictReader(StringIO(run.text("report.issued.csv"))))
    assert {int(row["learner_id"]) for row in listed} == {one.learner_id for one in learners.values()}
    assert {row["going_live"] for row in listed} == {"issue"}
    assert {item["learner_id"] for item in comparison["issued"]} == {one.learner_id for one in learners.values()}
    (row,) = comparison["course_runs"]
    assert (row["withheld"], row["withheld_by_status"]) == (
        len(withheld),
        {str(status): 1 for status in sorted(withheld)},
    )
    assert row["obstacles"][0] == f"{len(withheld)} withheld by the old logic, for no reason that the facts contain"
    assert "Who would be issued a certificate (14)" in run.text("report.html")


@pytest.mark.parametrize(
    ("agreement", "text"),
    [(1.0, "100.00%"), (0.9999999, "99.99%"), (0.99996, "99.99%"), (0.0, "0.00%"), (None, "nothing was compared")],
)
def test_what_is_not_all_is_not_written_as_all(agreement: float | None, text: str) -> None:
    assert percent(agreement) == text


def test_a_course_run_without_anything_has_no_agreement_and_adds_none() -> None:
    nothing, one = Agreement(), Agreement(known=True, learners=1, recorded=1, certificates=1, kinds={"agree": 1})
    total = Agreement()
    assert nothing.agreement is None
    for counts in (nothing, one):
        total.add(counts)
    assert (total.agreement, total.known, total.not_compared()) == (1.0, True, None)
    assert bars_of({}) == []
    assert [bar.width for bar in bars_of({"none": 0})] == [0]


def compared(number: int) -> tuple[Pair, Comparison]:
    kind = list(Kind)[number % len(Kind)]
    effect = list(Effect)[number % len(Effect)]
    reasons = () if kind is Kind.AGREE else ("not_passed",)
    pair = Pair(number, f"course-v1:CertX+CS{number % 3}+2026")
    exists = number % 7 > 0
    return pair, Comparison(kind, effect, (), reasons, f"Sentence {number}.", certificate=exists, recorded=exists)


def test_comparisons_of_shards_add_up_in_whatever_order() -> None:
    whole = Comparisons()
    shards = [Comparisons() for _ in range(4)]
    for number in range(400):
        whole.take(*compared(number))
        shards[number % 4].take(*compared(number))
    forth, back = Comparisons(), Comparisons()
    for shard in shards:
        forth.merge(shard)
    for shard in reversed(shards):
        back.merge(shard)
    expected = json.dumps(whole.report())
    assert json.dumps(forth.report()) == json.dumps(back.report()) == expected
    assert len(expected) < 400_000
