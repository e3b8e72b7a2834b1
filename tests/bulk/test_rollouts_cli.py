"""The commands of rollout, against the API of a stack that goes on meanwhile."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from certrules.core.terms import Status
from certs.stacks import NOTE
from certs.support.api import CONTRADICTS
from tests.scenes.commands import certs, certs_apart
from tests.scenes.comparisons import plant, recorded
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import EVERYTHING

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def _stored(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    token = scene.cloud.api.token("ada", [f"certificates/{scope}" for scope in EVERYTHING])
    NOTE.write_text(json.dumps({"api": scene.cloud.serve_api(), "token": token, "colleague": token}))
    yield
    NOTE.unlink()


def followed(scene: Scene, *arguments: str) -> CompletedProcess[str]:
    """Run a command, in a process of its own, while the cloud delivers."""
    with ThreadPoolExecutor(1) as person:
        running = person.submit(certs_apart, *arguments)
        while not wait([running], timeout=0.1).done:
            scene.cloud.deliver()
    scene.cloud.deliver()
    return running.result()


def test_a_course_run_is_compared_taken_live_and_back_from_the_command_line(scene: Scene, learner: Learner) -> None:
    plant(scene, learner)
    run, why = learner.course_run, ("--reason", "both were compared")

    compared = followed(scene, "rollout", "compare", run, "--html", "page.html", "--csv", "all.csv")
    assert compared.returncode == 0, compared.stderr
    assert "would_revoke" in compared.stdout
    assert "3 downloadable by the old logic" in " ".join(compared.stdout.split())
    assert "<svg" in Path("page.html").read_text()
    assert len(Path("all.csv").read_text().splitlines()) == 11

    refused = followed(scene, "rollout", "live", run, *why)
    assert refused.returncode == CONTRADICTS
    assert "2 certificates are issued, 1 get another label, 2 are kept and held for a person" in refused.stderr
    assert "--accept-revocations 3" in refused.stderr

    live = followed(scene, "rollout", "live", run, *why, "--accept-revocations", "3", "--yes")
    assert live.returncode == 0, live.stderr
    assert live.stdout.startswith("1 course runs: live.")
    assert followed(scene, "rollout", "live", run, *why).stdout == "They are live already.\n"
    status = json.loads(certs("rollout", "status", run, "--json").stdout)
    assert [(row["rollout"], row["by"], row["reason"]) for row in status["course_runs"]] == [
        ("live", "ada", "both were compared")
    ]

    back = followed(scene, "rollout", "shadow", run, *why, "--yes")
    assert "1 of which are live now" in back.stderr
    assert back.stdout.startswith("1 course runs: shadow.")
    assert "shadow" in certs("rollout", "status").stdout
    assert certs("rollout", "compare").exit_code == 2


def test_a_course_run_that_nobody_knows_or_without_learners_neither_agrees_nor_goes_live_without_a_word(
    scene: Scene, learner: Learner
) -> None:
    unknown, empty, why = f"{learner.course_run}_typo", learner.course_run, ("--reason", "both were compared")
    scene.ingest(learner.configured(day(1), rollout="shadow"))

    compared = followed(scene, "rollout", "compare", empty, unknown)
    assert compared.returncode == 0, compared.stderr
    text = " ".join(compared.stdout.split())
    assert "100.00" not in text
    assert "ready" not in text
    assert "nothing was compared" in text
    assert "not known" in text

    not_known = followed(scene, "rollout", "live", unknown, *why, "--yes")
    assert (not_known.returncode, f"not known: {unknown}" in not_known.stderr) == (CONTRADICTS, True)
    refused = followed(scene, "rollout", "live", empty, *why, "--yes")
    assert refused.returncode == CONTRADICTS
    assert "0 of which are ready" in refused.stderr
    assert f"{empty}: no learner is known in it; nothing was compared." in refused.stderr
    assert "--accept-not-compared 1" in refused.stderr
    assert followed(scene, "rollout", "live", empty, *why, "--accept-not-compared", "1", "--yes").returncode == 0
    shadow = followed(scene, "rollout", "shadow", unknown, *why, "--yes")
    assert f"No configuration has been received of 1 of them yet, so see that the keys are right: {unknown}" in (
        shadow.stderr
    )


def test_what_the_old_logic_withheld_is_listed_and_accepted_by_its_number(scene: Scene, learner: Learner) -> None:
    why = ("--reason", "both were compared")
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(learner.enrolled(day(1)), learner.id_approved(day(1)), learner.passing(day(3)))
    scene.ingest(recorded(learner, day(4), Status.RESTRICTED))

    refused = followed(scene, "rollout", "live", learner.course_run, *why, "--yes")
    assert refused.returncode == CONTRADICTS
    assert "The old logic withheld 1 certificate (1 restricted)" in refused.stderr
    assert f"{learner.learner_id} in {learner.course_run}: The old logic has a certificate with status restricted" in (
        refused.stderr
    )
    assert "--accept-withheld 1" in refused.stderr
    compared = followed(scene, "rollout", "compare", learner.course_run, "--issued", "issued.csv")
    assert "withheld: restricted" in compared.stdout
    assert len(Path("issued.csv").read_text().splitlines()) == 2
    live = followed(scene, "rollout", "live", learner.course_run, *why, "--accept-withheld", "1", "--yes")
    assert live.returncode == 0, live.stderr
