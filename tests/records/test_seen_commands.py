"""The commands about learners' records, against the API of a stack with records on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from certrules import aws
from certs.stacks import NOTE
from tests.records.scene import A1, A2, B1, P1
from tests.records.seen_stack import Seen, seen_stack
from tests.records.service import Host
from tests.scenes.commands import certs
from tests.scenes.support_client import EVERYTHING
from tests.scenes.support_commands import may

WHY = ("--reason", "ticket 12")

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def seen(host: Host) -> Iterator[Seen]:
    with seen_stack(host) as found:
        yield found


@pytest.fixture(autouse=True)
def _cloud_in_folder(seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    seen.scene.empty_tables("SupportTable")
    may(seen.scene, seen.scene.cloud.serve_api(), EVERYTHING)
    yield
    NOTE.unlink()


def test_a_learners_programs_and_deliveries_are_shown(seen: Seen) -> None:
    learner = seen.learner(A1, B1)
    shown = certs("records", "show", str(learner.learner_id))
    assert shown.exit_code == 0, shown.stderr
    assert "The program certificate is awarded" in shown.stdout
    assert f"A: carried by the certificate in {A1}" in shown.stdout
    assert "In the learner's record: awarded. Wanted since" in shown.stdout
    assert "In the learner's record: awarded as verified." in shown.stdout
    before = certs("records", "show", str(learner.learner_id), "--as-of", "2026-01-02T00:00:00Z", "--json")
    assert json.loads(before.stdout)["programs"][0]["status"] is None
    assert "Nothing was to be delivered so far." in certs("records", "show", "987654").stdout


def test_what_waits_is_listed_and_tried_again(seen: Seen) -> None:
    learner = seen.learner("course-v1:DemoX+Later+2026")
    listed = certs("records", "list", "--waiting", "not_in_catalog")
    assert listed.exit_code == 0, listed.stderr
    assert learner.course_run in listed.stdout
    assert "1 not_in_catalog: The course run is not in the service's catalog yet." in listed.stdout
    assert "Nothing waits." in certs("records", "list", "--waiting", "throttled").stdout
    assert "choose of: throttled" in certs("records", "list", "--waiting", "weather").stderr

    retried = certs("records", "retry", "--waiting", "not_in_catalog", *WHY, "--yes")
    assert (retried.exit_code, retried.stdout) == (0, "Tried again: 1 delivery.\n")
    asked = certs("records", "retry", "--waiting", "not_in_catalog", *WHY, stdin="n\n")
    assert (asked.exit_code, "of 1 again?" in asked.stderr) == (1, True)
    assert (
        certs("records", "retry", "--learner", str(learner.learner_id), *WHY).stdout == "Tried again: 0 deliveries.\n"
    )
    assert certs("records", "retry", "--course-run", A1, *WHY).exit_code == 0
    assert certs("records", "retry", *WHY).exit_code == 2
    assert certs("records", "retry", "--course-run", A1).exit_code == 2


def test_an_act_and_a_bulk_revocation_show_which_program_certificates_fall(seen: Seen) -> None:
    falls, stays = seen.learner(A1, B1), seen.learner(A1, A2, B1)
    refused = certs("invalidate", str(falls.learner_id), A1, "--reason", "ticket 12", stdin="n\n")
    assert refused.exit_code == 1
    assert "Demo program: the program certificate falls on " in refused.stderr

    learners = [argument for one in (falls, stays) for argument in ("--learner", str(one.learner_id))]
    assert certs("revocations", "request", A1, "--invalidate", *learners, "--reason", "cheating").exit_code == 0
    listed = certs("revocations", "list").stdout
    assert "program certificates: 1 fall, 1 stay" in listed
    assert f"{stays.learner_id}: Demo program: the program certificate stays because A is carried by {A2}." in listed


def test_a_person_decides_on_the_pending_revocation_of_a_program_certificate(seen: Seen) -> None:
    learner = seen.learner(A1, B1)
    seen.send(learner.invalidated(aws.now()))
    act = ("records", "act", "discard", str(learner.learner_id), P1, "--reason", "ticket 12")
    asked = certs(*act, stdin="n\n")
    assert asked.exit_code == 1
    assert "Demo program: the program certificate stays, although a course is no longer satisfied" in asked.stderr
    assert f"B: it stays carried by the certificate in {B1}." in asked.stderr
    done = certs(*act, "--yes")
    assert (done.exit_code, done.stdout.endswith(": discard, of Demo program.\n")) == (0, True), done.stderr
    assert seen.scene.cloud.deliver().errors == []
    assert "no revocation is pending" in certs(*act, "--yes").stderr
    assert "revocation discarded by " in certs("records", "show", str(learner.learner_id)).stdout


def test_one_delivery_is_sent_again_though_it_is_acknowledged(seen: Seen) -> None:
    learner = seen.learner(A1, B1)
    one = ("records", "retry", *WHY, "--learner", str(learner.learner_id), "--kind", "program", "--of")
    assert certs(*one, P1).stdout == "Tried again: 1 delivery.\n"
    assert certs(*one, "elsewhere").exit_code == 4
    assert certs(*one[:-1]).exit_code == 2
