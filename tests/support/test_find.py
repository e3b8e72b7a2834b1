"""Whose certificate is this: by its id or address as people paste them, at API, console and command line."""

from collections.abc import Callable
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from certs.sources import event_builders
from certs.support.api import NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client, about, reported
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

PASTED: dict[str, Callable[[str], str]] = {
    "plain": lambda plain: plain,
    "with dashes": lambda plain: str(UUID(plain)),
    "in capitals": lambda plain: str(UUID(plain)).upper(),
    "an address": lambda plain: f"https://lms.example.org/certificates/{plain}",
    "an address with a language": lambda plain: f"https://lms.example.org/certificates/{plain}/?lang=es-419",
    "an address with a fragment": lambda plain: f"https://lms.example.org/certificates/{UUID(plain)}#share",
    "a language": lambda plain: f"{plain}?lang=es",
    "a fragment": lambda plain: f"{plain}#top",
    "between quotes": lambda plain: f' "{plain}" ',
}


def recorded(learner: Learner, certificate_id: UUID) -> event_builders.Detail:
    return event_builders.recorded_certificate(
        "recorded",
        uuid4(),
        day(3),
        *learner.pair,
        status="downloadable",
        mode="verified",
        grade="0.9",
        certificate_id=certificate_id,
        created=day(2),
        modified=day(2),
    )


def id_of(scene: Scene, learner: Learner) -> str:
    certificate = scene.certificate(learner)
    assert certificate is not None
    return certificate.certificate_id


@pytest.mark.parametrize("form", PASTED.values(), ids=PASTED)
def test_a_certificate_is_found_however_its_id_is_pasted(
    scene: Scene, learner: Learner, support_client: Client, form: Callable[[str], str]
) -> None:
    scene.ingest(*learner.qualifying())
    written = form(id_of(scene, learner))
    by_api = reported(support_client.ask("GET", f"/v1/certificates/{quote(written, safe='')}"))
    assert by_api.body == {**about(learner), "others": []}
    by_console = support_client.form("/find", q=written)
    assert (by_console.status, f"learner_id={learner.learner_id}" in by_console.headers["location"]) == (303, True)
    assert certs("find", written).stdout.startswith(f"Learner {learner.learner_id} in {learner.course_run}\n")


def test_the_id_of_the_old_logic_is_found_in_the_form_in_which_it_was_recorded(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    named = uuid4()
    detail = recorded(learner, named)
    for number, written in enumerate((str(named).upper(), named.hex.upper(), str(named), "no-number-12")):
        one = Learner(learner.learner_id * 10 + number, learner.course_run)
        metadata = {**detail["metadata"], "id": str(uuid4())}
        certificate = {**detail["certificate"], "learner_id": one.learner_id, "certificate_id": written}
        scene.ingest({"metadata": metadata, "certificate": certificate})
        found = support_client.get(f"/v1/certificates/{written}").body
        others = found.pop("others")
        assert about(one) in [found, *others]


def test_one_id_of_two_certificates_names_both(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    both = [Learner(learner.learner_id * 10 + number, learner.course_run) for number in (1, 2)]
    named = uuid4()
    scene.ingest(*(recorded(one, named) for one in both))
    wire.sent.clear()

    found = support_client.get(f"/v1/certificates/{named.hex}").body

    assert wire.operations() == {"Query": 4}
    assert found == {**about(both[0]), "others": [about(both[1])]}
    page = support_client.ask("GET", f"/find?q={named}")
    shown = certs("find", str(named))
    assert page.status == 200
    for one in both:
        assert f"Learner {one.learner_id} in {one.course_run}" in page.body.decode()
        assert f"Learner {one.learner_id} in {one.course_run}\n" in shown.stdout
    assert "several certificates" in shown.stderr


@pytest.mark.parametrize(
    "written", ["abc", "86", "https://lms.example.org/certificates/", "0123456789abcdef0123456789abcde"]
)
def test_what_is_no_id_is_answered_with_what_an_id_looks_like(support_client: Client, written: str) -> None:
    answer = reported(support_client.ask("GET", f"/v1/certificates/{quote(written, safe='')}"))
    assert (answer.status, "32 hexadecimal digits" in answer.body["fix"]) == (404, True)


def test_an_id_that_nobody_has_is_answered_so(support_client: Client) -> None:
    missing = support_client.get(f"/v1/certificates/{uuid4()}")
    assert (missing.status, "hexadecimal" in missing.body["fix"]) == (404, False)
    assert certs("find", str(uuid4())).exit_code == NOT_FOUND
