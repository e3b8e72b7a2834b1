"""The commands of support, against the API of a stack: tickets solved from the command line alone, and exit codes."""

import json

import pytest
from click.testing import Result

from certs.stacks import NOTE
from certs.support.api import CONTRADICTS, NOT_ALLOWED, NOT_FOUND
from certs.support.common import printable
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import broken, class_of, earn
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address, may

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WHY = ("--reason", "ticket 12", "--yes")


def on(learner: Learner) -> tuple[str, str]:
    return str(learner.learner_id), learner.course_run


def shown(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_reply_for_the_ticket_is_written_by_a_command(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying()[:-1])
    spanish = certs("explain", *on(learner), "--reply", "learner", "--language", "es", "--zone", "Europe/Madrid")
    assert spanish.exit_code == 0, spanish.stderr
    assert spanish.stdout.startswith("Hola:\n\nPor ahora no tienes un certificado")
    colleague = certs("explain", *on(learner), "--reply", "colleague")
    assert f"Learner id: {learner.learner_id}" in colleague.stdout
    assert json.loads(certs("explain", *on(learner), "--reply", "learner", "--json").stdout)["language"] == "en"


def test_every_act_is_a_command_that_shows_what_it_will_do_and_asks(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    refused = certs("invalidate", *on(learner), "--reason", "ticket 12", stdin="n\n")
    assert refused.exit_code == 1
    assert "The certificate changes from downloadable to unavailable" in refused.stderr
    assert "This takes a certificate away from the learner." in refused.stderr
    assert scene.certificate(learner).status == "downloadable"  # type: ignore[union-attr]
    for command, status in (
        (("date", "set", *on(learner), "2026-05-29T00:00:00Z"), "downloadable"),
        (("date", "remove", *on(learner)), "downloadable"),
        (("allowlist", "add", *on(learner)), "downloadable"),
        (("allowlist", "remove", *on(learner)), "downloadable"),
        (("invalidate", *on(learner)), "unavailable"),
        (("lift", *on(learner)), "downloadable"),
        (("redecide", *on(learner)), "downloadable"),
        (("erase", *on(learner)), "downloadable"),
    ):
        done = certs(*command, *WHY)
        assert (done.exit_code, "Sent as event" in done.stdout) == (0, True), done.stderr
        scene.cloud.deliver()
        assert scene.certificate(learner).status == status, command  # type: ignore[union-attr]
    assert "ticket 12" in certs("timeline", *on(learner)).stdout
    assert scene.queued("ParkedQueue") == []


def test_what_was_confirmed_is_done_only_to_the_case_that_was_looked_at(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    key = ("--reason", "ticket 12", "--key", "a-key-of-mine")
    seen = certs("invalidate", *on(learner), *key, "--json", stdin="y\n").stdout
    done = json.loads(seen[seen.index("{") :])
    assert done["version"] == scene.stored_record(learner).version
    assert json.loads(certs("invalidate", *on(learner), *key, "--yes", "--json").stdout) == done


def test_a_certificate_is_found_and_so_is_who_is_in_a_course_run(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    certificate = scene.certificate(learner)
    assert certificate is not None
    by_address = certs("find", f"https://example.org/certificates/{certificate.certificate_id}")
    assert by_address.stdout.startswith(f"Learner {learner.learner_id} in {learner.course_run}\n")
    assert certs("learners", learner.course_run).stdout == f"{learner.learner_id}\n"
    assert learner.course_run in shown(certs("learner", str(learner.learner_id)))
    changed = certs("changes", *on(learner), "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z").stdout
    assert "from no certificate to downloadable" in changed


def test_exit_codes_distinguish_failures(scene: Scene, learner: Learner, address: str) -> None:
    scene.ingest(*learner.qualifying(), learner.configured(day(1), display_behavior="early_no_info"))
    assert certs("find", "0" * 32).exit_code == NOT_FOUND
    assert certs("revocations", "show", "nothing").exit_code == NOT_FOUND
    assert certs("lift", *on(learner), *WHY).exit_code == CONTRADICTS
    assert certs("what-if", *on(learner), "--change", "wish").exit_code == 1
    assert certs("explain", *on(learner), "--as-of", "yesterday").exit_code == 2
    assert certs("check", learner.course_run).exit_code == 0
    assert certs("check", "course-v1:Never+Heard+Of").exit_code == 1
    may(scene, address, ("view",))
    refused = certs("invalidate", *on(learner), *WHY)
    assert (refused.exit_code, "certificates/revoke" in refused.stderr) == (NOT_ALLOWED, True)
    may(scene, address, ())
    assert certs("explain", *on(learner)).exit_code == NOT_ALLOWED
    NOTE.write_text(json.dumps({"api": address, "token": "none"}))
    refused = certs("explain", *on(learner))
    assert (refused.exit_code, "CERTS_TOKEN" in refused.stderr) == (NOT_ALLOWED, True)


def test_what_is_held_is_listed_discarded_and_released_by_two(scene: Scene, learner: Learner) -> None:
    learners = broken(scene, learner, 4)
    assert shown(certs("held", "list", learner.course_run)).count("a person decides") == 4
    assert learner.course_run in shown(certs("held", "list"))
    assert certs("held", "discard", *on(learners[0]), *WHY).exit_code == 0
    scene.cloud.deliver()
    asked = json.loads(certs("revocations", "request", learner.course_run, *WHY[:2], "--json").stdout)
    assert str(learners[1].learner_id) in shown(certs("revocations", "show", asked["id"]))
    assert "release 3 certificates" in shown(certs("revocations", "list"))
    alone = certs("revocations", "approve", asked["id"], "--yes")
    assert (alone.exit_code, "second person" in alone.stderr) == (NOT_ALLOWED, True)
    declined = certs("revocations", "decline", asked["id"], "--colleague", stdin="y\n")
    assert declined.stdout.endswith("3 certificates: declined.\n")
    assert "3 certificates stay" in certs("held", "discard-all", learner.course_run, *WHY[:2], stdin="n\n").stderr
    done = certs("held", "discard-all", learner.course_run, *WHY)
    assert done.stdout == "3 revocations are discarded.\n"
    scene.cloud.deliver()
    assert shown(certs("held", "list", learner.course_run)) == "Nothing is pending.\n"
    for switch in ("stop", "resume"):
        assert certs("revocations", switch, learner.course_run, *WHY[:2]).exit_code == 0


def test_what_people_write_is_neither_markup_nor_an_order_to_the_terminal(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(1, learner)
    earn(scene, learners)
    written = "[/bold] [red]not red[/red] [link=x]"
    assert support_client.act("invalidate", learners[0], reason=written).status == 202
    scene.cloud.deliver()
    assert "[red]not red[/red]" in " ".join(shown(certs("invalidations", learner.course_run)).split())
    assert printable("a\x1b[2Jb\x07\u202ec\nd") == "a[2Jbc\nd"


def test_a_deployed_stack_is_found_by_its_name(
    scene: Scene, learner: Learner, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ingest(*learner.qualifying())
    outputs = {"SupportUrl": {"Value": address}}
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": outputs}
    scene.client("cloudformation").create_stack(StackName="certificates", TemplateBody=json.dumps(template))
    asked = ("explain", *on(learner), "--stack", "certificates")
    assert "CERTS_TOKEN" in certs(*asked).stderr
    monkeypatch.setenv("CERTS_TOKEN", scene.cloud.api.token("ada", ["certificates/view"]))
    assert json.loads(certs(*asked, "--json").stdout)["certificate"]["status"] == "downloadable"
    assert "does not exist" in certs("explain", *on(learner), "--stack", "none").stderr


def test_the_audit_log_as_json_goes_on_where_it_ended_as_at_the_api(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    for _ in range(3):
        support_client.act("redecide", learner)
    mine = ("audit", "--learner", str(learner.learner_id), "--json")
    first = json.loads(shown(certs(*mine, "--limit", "2")))
    rest = support_client.get("/v1/audit", learner_id=learner.learner_id, cursor=first["next"]).body
    whole = json.loads(shown(certs(*mine, "--limit", "3")))
    assert [entry["key"] for entry in first["entries"] + rest["entries"]] == [
        entry["key"] for entry in whole["entries"]
    ]
    assert (len(first["entries"]), len(rest["entries"]), rest["next"], whole["next"]) == (2, 1, None, None)
