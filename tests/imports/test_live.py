"""Importing into course runs that are live: shown and confirmed first, refused if certificates or grades lack."""

import json
from pathlib import Path
from typing import Any

import pytest

from certrules import storage
from certrules.core.deciding import decide_record
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT
from certrules.core.rollout import rollout_state
from certrules.core.terms import Rollout, Status
from certs.imports import command
from localcloud import LocalCloud
from tests.scenes.commands import certs
from tests.scenes.platform_tables import AT, COURSE_RUN, FOLDER, NOW, Tables, instant
from tests.scenes.scene import Learner, Scene

CERTIFICATES = "certificates_generatedcertificate"
GRADES = "grades_persistentcoursegrade"
PHOTOS = "verify_student_softwaresecurephotoverification"
OTHER_COURSE_RUN = "course-v1:CertX+CS102+2026"
SEVEN = Learner(7, COURSE_RUN)


@pytest.fixture
def scene(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scene:
    """The stack, in which COURSE_RUN is live."""
    monkeypatch.chdir(tmp_path)
    scene = Scene(cloud)
    scene.ingest(SEVEN.configured(instant("2026-01-02"), rollout="live"))
    return scene


def shown(result: Any) -> str:
    """Return what a command shows, on one line."""
    return " ".join((result.stdout + result.stderr).split())


def test_what_would_be_published_is_shown_and_nothing_is_imported_unless_confirmed(
    scene: Scene, tables: Tables
) -> None:
    tables.qualifying().qualifying(user_id=8).add(CERTIFICATES, status="notpassing").read()
    declined = certs("import", tables.folder, stdin="n\n")
    assert declined.exit_code == 1
    assert f"Live: 1 course run ({COURSE_RUN})." in shown(declined)
    assert "no certificate → downloadable, under a new id 1" in shown(declined)
    assert "no certificate → downloadable 1" in shown(declined)
    assert f"learner 8 in {COURSE_RUN}: no certificate → downloadable" in shown(declined)
    assert scene.certificate(SEVEN) is None
    unanswered = certs("import", tables.folder)
    assert unanswered.exit_code == 1
    assert "--yes" in unanswered.stderr
    assert scene.certificate(SEVEN) is None
    confirmed = certs("import", tables.folder, "--yes", "--json")
    assert json.loads(confirmed.stdout)["statuses"] == {"downloadable": 2}
    certificate = scene.certificate(SEVEN)
    assert certificate is not None
    assert (certificate.status, certificate.certificate_id) == (
        Status.DOWNLOADABLE,
        "a6c04f14d61d49f7981d004ff9433eea",
    )


def test_an_import_that_was_declined_is_not_resumed_without_asking(scene: Scene, tables: Tables) -> None:
    tables.qualifying().add(CERTIFICATES).read()
    certs("import", tables.folder, stdin="n\n")
    bucket = scene.cloud.physical("BulkBucket")
    keys = [item["Key"] for item in scene.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    name = keys[0].split("/")[1]
    assert certs("import", "--resume", name, stdin="n\n").exit_code == 1
    assert scene.certificate(SEVEN) is None
    assert certs("import", "--resume", name, stdin="y\n").exit_code == 0
    assert scene.certificate(SEVEN) is not None


@pytest.mark.parametrize("lacks", [CERTIFICATES, GRADES])
@pytest.mark.parametrize("how", ["no table", "a table without rows", "rows of another course run only"])
def test_an_export_that_lacks_certificates_or_grades_is_refused_unless_it_is_named_partial(
    scene: Scene, tables: Tables, lacks: str, how: str
) -> None:
    tables.qualifying().add(CERTIFICATES)
    if how == "rows of another course run only":
        tables._rows[lacks] = [{**row, "course_id": OTHER_COURSE_RUN} for row in tables._rows[lacks]]
    header = list(tables._rows[lacks][0])
    if how != "rows of another course run only":
        del tables._rows[lacks]
    tables.read()
    if how == "a table without rows":
        (tables.folder / f"{lacks}.csv").write_text(",".join(header) + "\n")
    refused = certs("import", tables.folder, "--yes")
    assert refused.exit_code == command.FAILED
    assert "--partial" in refused.stderr
    assert COURSE_RUN in refused.stderr
    assert scene.certificate(SEVEN) is None
    assert certs("import", tables.folder, "--partial", stdin="n\n").exit_code == 1
    assert scene.certificate(SEVEN) is None
    certs("import", tables.folder, "--partial", "--yes")
    assert scene.certificate(SEVEN) is not None


def test_an_id_verification_publishes_in_course_runs_that_no_row_names_so_it_is_asked_as_well(
    scene: Scene, tables: Tables
) -> None:
    scene.ingest(*(event for event in SEVEN.qualifying() if "idv" not in event["metadata"]["event_type"]))
    tables.add(PHOTOS, status_changed="2026-01-12 12:00:00").read()
    refused = certs("import", tables.folder, "--yes")
    assert (refused.exit_code, COURSE_RUN in refused.stderr) == (command.FAILED, True)
    assert "unverified → downloadable" in shown(refused)


def test_course_runs_that_the_import_is_the_first_to_name_begin_in_shadow(scene: Scene, tables: Tables) -> None:
    tables.qualifying(course_id=OTHER_COURSE_RUN)
    del tables._rows["course_overviews_courseoverview"]
    tables.read()
    result = certs("import", tables.folder)
    assert result.exit_code == 0
    assert f"Beginning in shadow: 1 course run ({OTHER_COURSE_RUN})" in shown(result)
    learner = Learner(7, OTHER_COURSE_RUN)
    assert scene.certificate(learner) is None
    configuration = storage.load(course_runs=[OTHER_COURSE_RUN]).course_runs[OTHER_COURSE_RUN].timeline
    assert rollout_state(configuration, Rollout.LIVE).rollout is Rollout.SHADOW
    again = certs("import", tables.folder)
    assert again.exit_code == 0
    assert "Beginning in shadow" not in again.stdout


def test_a_course_run_whose_rollout_alone_is_known_gives_nobody_a_certificate(scene: Scene, tables: Tables) -> None:
    tables.qualifying(course_id=OTHER_COURSE_RUN)
    del tables._rows["course_overviews_courseoverview"]
    tables.read().load(scene.cloud)
    loaded = storage.load([storage.Pair(7, OTHER_COURSE_RUN)])
    assert {entry.subject for entry in loaded.course_runs[OTHER_COURSE_RUN].timeline} == {"rollout"}
    known = loaded.known(storage.Pair(7, OTHER_COURSE_RUN), ((BEGINNING, DEFAULT),), Rollout.LIVE)
    decided = decide_record(known, (), NOW, as_if=Rollout.LIVE)
    assert decided.outcome.reasons == ("course_run_unknown",)
    assert decided.publication.published.certificate is None


def test_a_course_run_that_went_live_meanwhile_stops_the_import_before_any_learner(
    scene: Scene, tables: Tables
) -> None:
    export = tables.qualifying().add(CERTIFICATES).read()
    export.upload(scene.cloud)
    scene.client("s3").put_object(Bucket=scene.cloud.physical("BulkBucket"), Key=f"{FOLDER}/accepted.json", Body=b"[]")
    part = {"step": "load", "folder": FOLDER, "part": "course-runs.jsonl.gz", "at": AT}
    with pytest.raises(Exception, match="is live: import again"):
        scene.cloud.invoke("LoadFunction", part)


def test_a_preview_writes_nothing(scene: Scene, tables: Tables) -> None:
    tables.qualifying().add(CERTIFICATES).read()
    before = scene.items("CertificatesTable")
    certs("import", tables.folder, stdin="n\n")
    assert scene.items("CertificatesTable") == before
    assert scene.queued("IngestQueue") == []
