"""`certs run`: the whole stack comes to the same certificates as the pure core, and publishes each change once."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certrules.core.certificate import Outcome
from certrules.core.fact_types import AFTER_PUBLICATION
from certrules.core.policy import PRESETS, undated
from certrules.core.replay import replay
from certrules.core.terms import Cause, Status
from certrules.formats.events_in import decode
from certrules.formats.events_out import CHANGED, CREATED, EVENTS_OUT, HELD, REVOKED
from certs import run as job
from certs.replay import History
from certs.run import LOCAL_PARAMETERS
from certs.sources import course_run
from certs.sources.event_builders import Detail
from certs.sources.oulad import compare, oulad, own_outcome
from localcloud import LocalCloud
from tests.scenes.commands import STORY, certs, learner_of

PARKED = Path(__file__).parents[2] / "events" / "parked"
POLICIES = undated(PRESETS["edx-2021"])
PARAMETERS = {**LOCAL_PARAMETERS, "DailyReconciliation": "off", "IngestMemory": "512"}

type Transitions = list[dict[str, Any]]


def driven(details: Iterable[Detail]) -> tuple[job.Run, Transitions]:
    """Put events through the cloud; return what came of it, and its history."""
    with LocalCloud(job.TEMPLATE, PARAMETERS) as cloud:
        run = job.drive(cloud, job.events_of(details), lambda _: None)
        job.look(cloud, run, POLICIES)
        pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=cloud.physical("HistoryTable"))
        return run, [json.loads(item["b"]["S"]) for page in pages for item in page["Items"]]


def purely(details: Iterable[Detail], run: job.Run) -> dict[tuple[int, str], Outcome]:
    """Return what the core makes of the events of a run, by learner and course run.

    Only the run knows which certificates of the old logic came after it had published one: these don't count.
    """
    late = {
        (entry.event_id, entry.fact)
        for held in run.held
        for entry in held.record.timeline
        if entry.subject == AFTER_PUBLICATION
    }
    history = History()
    for detail in details:
        try:
            message = decode(json.dumps(detail), datetime.now(UTC))
        except ValueError:
            continue
        assert message is not None
        history.add(message)
    outcomes = {}
    for record in history.records():
        counted = tuple(entry for entry in record.timeline if (entry.event_id, entry.fact) not in late)
        outcomes[record.learner_id, record.course_run] = replay(record._replace(timeline=counted), POLICIES, run.as_of)
    return outcomes


def who_pays(learners: int, seed: int) -> list[Detail]:
    """Return the events of a made-up course run on those who pay: nearly all certificates are theirs."""
    details = list(course_run.history(learners, seed))
    paying = {detail["enrollment"]["user"]["id"] for detail in details if is_paid(detail)}
    return [detail for detail in details if learner_of(detail) in {None, *paying}]


def is_paid(detail: Detail) -> bool:
    return "enrollment" in detail and detail["enrollment"].get("mode") == "verified"


def assert_reported_one_to_one(run: job.Run, history: Transitions) -> None:
    transitions = [item for item in history if item["kind"] == "transition"]
    assert run.published == +Counter(
        {
            CHANGED: len(transitions),
            CREATED: sum(item["status"] == "downloadable" for item in transitions),
            REVOKED: sum(item["previous"] == "downloadable" for item in transitions),
            HELD: len(history) - len(transitions),
        }
    )
    assert run.published.keys() <= EVENTS_OUT.keys()
    downloadable = run.by_status()["downloadable"]
    assert run.published[CREATED] - run.published[REVOKED] == downloadable


@pytest.mark.parametrize(("learners", "seed"), [(400, 1), (200, 3)])
def test_the_cloud_and_the_core_give_the_same_certificates(learners: int, seed: int) -> None:
    details = who_pays(learners, seed)
    run, history = driven(details)
    outcomes = purely(details, run)
    assert len(outcomes) > learners / 10
    assert {(held.record.learner_id, held.record.course_run) for held in run.held} == outcomes.keys()
    for held in run.held:
        outcome = outcomes[held.record.learner_id, held.record.course_run]
        assert_same(held, outcome)
        marks = [(mark.at, mark.status, mark.cause) for mark in held.published.transitions]
        assert marks == [(transition.at, transition.status, transition.cause) for transition in outcome.transitions]
    assert {"downloadable", "unverified", "no certificate"} <= run.by_status().keys()
    assert (run.dead, run.events) == (0, len(details))
    assert_reported_one_to_one(run, history)


def assert_same(held: job.StoredCertificate, outcome: Outcome) -> None:
    ours, pure = held.published.certificate, outcome.certificate
    assert (ours and ours._replace(certificate_id="")) == (pure and pure._replace(certificate_id=""))
    assert held.published.pending == outcome.pending
    assert held.reasons == outcome.reasons


def test_in_any_order_it_takes_away_no_less_and_holds_the_rest() -> None:
    details = who_pays(200, 5)
    random.Random(5).shuffle(details)
    run, history = driven(details)
    outcomes = purely(details, run)
    stored_record = 0
    for held in run.held:
        outcome = outcomes[held.record.learner_id, held.record.course_run]
        pending = held.published.pending
        if pending is None or pending.cause is not Cause.NEVER_EARNED:
            assert_same(held, outcome)
            continue
        assert held.published.certificate is not None
        assert held.published.certificate.status is Status.DOWNLOADABLE
        assert outcome.status is not Status.DOWNLOADABLE
        stored_record += 1
    assert stored_record < len(run.held) / 4
    assert_reported_one_to_one(run, history)


def test_the_same_events_come_to_the_same() -> None:
    details = list(course_run.history(40, 2))
    first, second = (driven(details)[0] for _ in range(2))
    assert job.certificates(first) == job.certificates(second)
    summaries = [job.summary(run) | {"seconds": 0} for run in (first, second)]
    assert summaries[0] == summaries[1]
    assert sum(first.parked.values()) == 6


# --- the command


def test_files_give_what_replay_gives_by_any_policy_and_with_malformed_lines(tmp_path: Path) -> None:
    reported = STORY.read_text().splitlines()
    plain, packed = tmp_path / "plain.jsonl", tmp_path / "packed.jsonl.gz"
    plain.write_text("\n".join([*reported[:20], *odd_lines()]) + "\n")
    packed.write_bytes(gzip.compress(b'{"not": "UTF-8: \xff"}\n' + "\n".join(reported[20:]).encode()))
    policy = tmp_path / "policy.json"
    dated = [{"since": "2026-01-01T00:00:00Z", "preset": "open-edx"}, {"since": "2026-03-09T00:00:00Z"}]
    policy.write_text(json.dumps(dated, indent=2))

    shown = certs("run", plain, packed, "--json", "--policy", policy)
    assert shown.exit_code == 0, shown.output
    outcome = json.loads(shown.stdout)
    replayed = certs("replay", plain, packed, "--policy", policy, "--until", outcome["as_of"])
    lines = [json.loads(line) for line in replayed.stdout.splitlines()]
    lines = [line for line in lines if line["learner_id"] not in {7, 8}]  # named, without any fact to keep
    assert outcome["status"] == Counter(line["status"] or "no certificate" for line in lines)
    assert outcome["reasons"] == Counter(reason for line in lines for reason in line["reasons"])
    assert outcome["parked"] == Counter(json.loads(line)["reason"] for line in replayed.stderr.splitlines())
    assert outcome["events"] == len(reported) + len(odd_lines()) + 1
    assert outcome["dead_lettered"] == 0


def odd_lines() -> list[str]:
    """Return lines that can't be taken in, or hardly; none of them changes a certificate."""
    request = json.loads(next(line for line in STORY.read_text().splitlines() if "generation.requested" in line))
    name, source = request["metadata"]["event_type"], "lms"
    nameless = {**request, "metadata": {**request["metadata"], "source": ""}}
    large = {**request, "attachment": "x" * 60_000}  # ten of these are more than a bus takes at once
    odd: list[object] = [
        *({"source": source, "detail-type": wrong, "detail": request} for wrong in ("", 7, "other")),
        *({"source": wrong, "detail-type": name, "detail": request} for wrong in ("", 7, None)),
        {"detail-type": name, "detail": request},
        {"source": source, "detail": request},
        {"source": source, "detail-type": name, "detail": "text"},
        {"source": source, "detail-type": name},
        {"metadata": name},
        nameless,
        *[large] * 12,
        *("text", 7, None, [], {}, float("nan"), "\ud800", {"metadata": {"event_type": "\ud800"}}),
        "x" * 1_500_000,  # more than a queue takes
    ]
    samples = [path.read_text().replace("\n", " ") for path in sorted(PARKED.iterdir())]
    return [*map(json.dumps, odd), "{", "\x01", *samples]


def test_a_person_sees_counts_reasons_and_explained_learners(tmp_path: Path) -> None:
    picture = tmp_path / "run.svg"
    result = certs("run", "--learners", "20", "--picture", picture)
    assert result.exit_code == 0, result.output
    for phrases in ("Certificates", "Why not downloadable", "Learner ", "events in", "certs explain"):
        assert phrases in result.stdout
    assert picture.read_text().startswith("<svg")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"{}")[:-4])
    for arguments, code, shows in (
        ([broken], 1, f"Error: {broken}: Compressed file ended"),
        (["--policy", "none-such"], 1, "edx-2021, open-edx, open-edx-idv"),
        (["--oulad", tmp_path], 1, "courses.csv"),
        ([broken, "--oulad", tmp_path], 2, "either FILES or --oulad"),
        ([tmp_path / "missing.jsonl"], 2, "does not exist"),
        (["--learners", "0"], 2, "x>=1"),
    ):
        result = certs("run", *arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert shows in result.stderr


# --- real data


def test_a_slice_of_real_data_comes_to_its_own_outcome(shared_data: Path) -> None:
    folder = shared_data / "oulad"
    details = [detail for detail in oulad(folder) if (learner_of(detail) or 0) % 600 == 0]
    outcomes = {who: outcome for who, outcome in own_outcome(folder).items() if who[0] % 600 == 0}
    run, history = driven(details)
    compared = compare(outcomes, job.certificates(run))
    assert compared.differences == ()
    assert compared.total > 40
    assert compared.agreeing.keys() == {"Pass", "Distinction", "Fail", "Withdrawn"}
    assert_reported_one_to_one(run, history)
