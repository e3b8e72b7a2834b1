"""Names at an import: of `auth_user` and `auth_userprofile`, if the stack stores them, and of no file afterwards."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certrules import storage
from certrules.formats.learner_names import Name
from certs.run import LOCAL_PARAMETERS
from tests.scenes.commands import certs
from tests.scenes.import_cloud import import_cloud
from tests.scenes.named_learners import EMAIL, WITH_NAMES, erased, name_of, renamed
from tests.scenes.platform_tables import COURSE_RUN, Tables, instant
from tests.scenes.scene import Learner, Scene

SEVEN, EIGHT = Learner(7, COURSE_RUN), Learner(8, COURSE_RUN)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.fixture(params=["on", "off"])
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scene]:
    monkeypatch.chdir(tmp_path)
    parameters = WITH_NAMES if request.param == "on" else LOCAL_PARAMETERS
    with import_cloud(parameters, monkeypatch) as cloud:
        yield Scene(cloud)


def files(scene: Scene) -> str:
    """Return all that stands in the bucket, unpacked."""
    client, bucket = scene.client("s3"), scene.cloud.physical("BulkBucket")
    found = []
    for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
        body = client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        found.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode())
    return "".join(found)


def imported(tables: Tables) -> Any:
    result = certs("import", tables.folder, "--yes", "--json")
    assert result.exit_code == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def test_names_are_stored_where_they_are_to_be_and_are_in_no_file_afterwards(
    scene: Scene, tables: Tables, tmp_path: Path
) -> None:
    is_on = scene.cloud.outputs["LearnerNames"] == "on"
    tables.qualifying().add("auth_user").add("auth_userprofile")
    tables.add("auth_user", id=8, username="bea").read()
    report = imported(tables)
    assert ("auth_user" in report["rows"]) is is_on
    assert scene.facts_stored(SEVEN)
    everything = files(scene) + repr(scene.items("CertificatesTable"))
    assert EMAIL not in everything
    assert "Lovelace" not in files(scene)
    if not is_on:
        assert "Lovelace" not in everything
        return
    assert (name_of(SEVEN), name_of(EIGHT)) == (Name("ada", "Ada Lovelace"), Name("bea", ""))
    assert list(storage.learners_named("ADA")) == [7]

    versions = storage.load(names=[7, 8]).names[7].v
    imported(tables)
    assert storage.load(names=[7, 8]).names[7].v == versions  # the same names again write nothing

    scene.ingest(renamed(SEVEN, instant("2026-07-01"), "countess"), erased(EIGHT, instant("2026-07-01")))
    imported(tables)  # an older export changes neither
    assert (name_of(SEVEN), name_of(EIGHT)) == (Name("countess", "Ada Lovelace"), Name("", ""))
    assert storage.learners_named("bea") == {}
    assert "bea" not in files(scene) + repr(scene.items("CertificatesTable"))

    (tmp_path / "later").mkdir()
    later = Tables(tmp_path / "later").add("auth_user", username="lady").add("auth_user", id=8, username="bea")
    later.add("auth_userprofile", name="Ada King").add("student_courseenrollment", created="2026-08-01 09:00:00").read()
    imported(later)  # a later one renames, and names nobody again who was erased
    assert (name_of(SEVEN), name_of(EIGHT)) == (Name("lady", "Ada King"), Name("", ""))
    assert (list(storage.learners_named("lady")), storage.learners_named("countess")) == ([7], {})
