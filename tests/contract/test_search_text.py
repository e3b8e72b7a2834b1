"""What a pasted text means, whatever it was copied from: read without looking anything up."""

from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.formats.search_text import MOST_PARTS, MOST_READ, SearchText, is_learner_id, read_search

RUN = "course-v1:DemoX+CS101+2026_T1"
ID = "0123456789abcdef0123456789abcdef"
DASHED = str(UUID(ID))
HOST = "https://lms.example.org"

pieces = st.text("abcXYZ019_-.", min_size=1, max_size=12).filter(lambda piece: piece.strip(".") == piece)
keys = st.builds("course-v1:{}+{}+{}".format, pieces, pieces, pieces)
learner_ids = st.integers(1, 2**63 - 1)
uuids = st.uuids()

ADDRESSES = [
    "{key}",
    "{host}/courses/{key}/courseware/a1/b2/",
    "{host}/courses/{key}/course",
    "{host}/courses/{key}/instructor#view-certificates",
    "{host}/learning/course/{key}/{block}",
    "apps.lms.example.org/learning/course/{key}/home?lang=es-419",
    "https://studio.example.org/course/{key}?page=2",
    "/course-run?course_run={key}",
    "{host}/account/finish_auth?course_id={key}&enrollment_action=enroll",
    "<{host}/courses/{key}/>",
    '"{key}".',
]

MEANT = {
    "86": SearchText(learner_ids=(86,)),
    " #86 ": SearchText(learner_ids=(86,)),
    "\u0668\u0666": SearchText(learner_ids=(86,)),
    "user_id: 86": SearchText(learner_ids=(86,)),
    "learner=86": SearchText(learner_ids=(86,)),
    "ada": SearchText(words=("ada",)),
    "@ada": SearchText(words=("ada",)),
    "user": SearchText(words=("user",)),
    "username:ada": SearchText(people=("ada",)),
    "ada@example.org": SearchText(people=("ada@example.org",)),
    "mailto:ada@example.org": SearchText(people=("ada@example.org",)),
    f"{HOST}/u/ada.b": SearchText(people=("ada.b",)),
    f"{HOST}/support/enrollment/ada": SearchText(people=("ada",)),
    f"{HOST}/support/manage_user?username_or_email=ada": SearchText(people=("ada",)),
    f"{HOST}/api/certificates/v0/certificates/ada/courses/{RUN}/": SearchText(people=("ada",), course_runs=(RUN,)),
    f"{HOST}/support/enrollment/?user=ada": SearchText(people=("ada",)),
    f"{HOST}/admin/auth/user/86/change/": SearchText(learner_ids=(86,)),
    f"{HOST}/admin/certificates/generatedcertificate/?q=ada": SearchText(words=("ada",)),
    f"{HOST}/admin/certificates/generatedcertificate/?q=ada+CS101&o=1": SearchText(words=("ada", "CS101")),
    f"{HOST}/admin/student/courseenrollment/?q=ada@example.org": SearchText(people=("ada@example.org",)),
    f"{HOST}/admin/student/courseenrollment/?q=course-v1%3ADemoX%2BCS101%2B2026_T1": SearchText(course_runs=(RUN,)),
    f"{HOST}/admin/student/courseenrollment/?user__id__exact=86": SearchText(learner_ids=(86,)),
    f"{HOST}/admin/student/courseenrollment/?user__username=ada": SearchText(people=("ada",)),
    f"{HOST}/admin/student/courseenrollment/?id__exact=86": SearchText(),
    f"{HOST}/admin/certificates/generatedcertificate/": SearchText(),
    f"{HOST}/admin/certificates/generatedcertificate/12/change/": SearchText(rows=("generatedcertificate 12",)),
    f"{HOST}/admin/certificates/generatedcertificate/12/change/?_changelist_filters=q%3Dada": SearchText(
        words=("ada",), rows=("generatedcertificate 12",)
    ),
    "/find?q=86": SearchText(learner_ids=(86,)),
    f"/find?q=86%20{RUN}": SearchText(learner_ids=(86,), course_runs=(RUN,)),
    f"{HOST}/dashboard/programs/{DASHED}/": SearchText(ids=(DASHED,)),
    f"https://credentials.example.org/records/programs/{ID}/": SearchText(ids=(DASHED,)),
    "ada 2026": SearchText(learner_ids=(2026,), words=("ada",)),
    f"learner 86 in {RUN}": SearchText(learner_ids=(86,), course_runs=(RUN,)),
    f"ada, {RUN}": SearchText(words=("ada",), course_runs=(RUN,)),
    f"{HOST}/courses/{RUN}/progress/86/": SearchText(learner_ids=(86,), course_runs=(RUN,)),
    f"{HOST}/certificates/user/86/course/{RUN}": SearchText(learner_ids=(86,), course_runs=(RUN,)),
    f"/case?learner_id=86&course_run={RUN}": SearchText(learner_ids=(86,), course_runs=(RUN,)),
    "course-v1:DemoX CS101 2026_T1 86": SearchText(learner_ids=(86,), course_runs=(RUN,)),
    "DemoX+CS101+2026_T1": SearchText(course_runs=(RUN,)),
    "MITx/6.002x/2012_Fall": SearchText(course_runs=("MITx/6.002x/2012_Fall",)),
    f"{HOST}/courses/MITx/6.002x/2012_Fall/about": SearchText(course_runs=("MITx/6.002x/2012_Fall",)),
    "ccx-v1:A+B+C+ccx@3": SearchText(course_runs=("ccx-v1:A+B+C+ccx@3",)),
    "DemoX CS101": SearchText(words=("DemoX", "CS101")),
    f"{HOST}/certificates/{ID}?lang=es-419": SearchText(ids=(DASHED,)),
    f"{ID[:20]}\n{ID[20:]}": SearchText(ids=(DASHED,)),
    f"{HOST}/certificates/no-number-12": SearchText(words=("no-number-12",)),
    "20261129T200000Z-0a1b2c": SearchText(run_ids=("20261129T200000Z-0a1b2c",)),
    "/regeneration?id=20261129T200000Z-0a1b2c": SearchText(run_ids=("20261129T200000Z-0a1b2c",)),
    f"{HOST}/": SearchText(),
    "": SearchText(),
    "\x00\u202e\ud800": SearchText(),
}


@pytest.mark.parametrize(("text", "meant"), MEANT.items(), ids=MEANT)
def test_what_a_text_means(text: str, meant: SearchText) -> None:
    assert read_search(text) == meant


@pytest.mark.parametrize("form", ADDRESSES)
@given(key=keys, times=st.integers(0, 3))
def test_a_course_run_is_found_in_any_address_however_often_it_is_encoded(form: str, key: str, times: int) -> None:
    block = f"{key.replace('course', 'block')}+type@sequential+block@{ID}"
    text = form.format(host=HOST, key=key, block=block)
    for _ in range(times):
        text = quote(text, safe="")
    assert read_search(text).course_runs == (key,)


@given(uuids, st.sampled_from(["{}", f"{HOST}/certificates/{{}}", "/certificates/{}/?lang=es#x", "id={}", '"{}",']))
def test_an_id_is_found_with_and_without_dashes_in_any_case(name: UUID, form: str) -> None:
    for written in (name.hex, str(name), str(name).upper()):
        assert read_search(form.format(written)).ids == (str(name),)


@given(learner_ids, keys, uuids, st.permutations([0, 1, 2]), st.sampled_from([" ", ", ", "\n", "\t;", " and "]))
def test_several_things_mean_the_same_in_any_order(
    learner_id: int, key: str, name: UUID, order: list[int], between: str
) -> None:
    parts = [str(learner_id), key, str(name)]
    found = read_search(between.join(parts[number] for number in order))
    assert (found.learner_ids, found.course_runs, found.ids, found.words) == ((learner_id,), (key,), (str(name),), ())


@given(
    st.one_of(st.text(), st.text("course-v1:+@/%25 &=?#.", max_size=200), st.binary().map(lambda b: b.decode("latin1")))
)
def test_any_text_means_something_or_nothing(text: str) -> None:
    found = read_search(text)
    assert all(is_learner_id(str(learner_id)) for learner_id in found.learner_ids)
    assert all(len(kind) <= MOST_PARTS for kind in found[:-1])
    assert all(word.isprintable() and len(word) <= 255 for word in (*found.words, *found.people))


def test_what_is_too_long_is_read_up_to_a_limit_and_the_answer_states_it() -> None:
    for text in (f"{RUN} {'x' * MOST_READ}", " ".join(map(str, range(1, MOST_PARTS + 2)))):
        found = read_search(text)
        assert found.is_cut
        assert found.course_runs == (RUN,) or len(found.learner_ids) == MOST_PARTS
