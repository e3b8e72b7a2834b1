"""What somebody who searches may mean: a pasted text is read, and nothing is looked up.

Whatever a text is, reading it gives an answer: unknown parts are words, which may be a username or a part of a key.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unicodedata import category, normalize
from urllib.parse import unquote
from uuid import UUID

from certrules.formats.certificate_ids import ids_in
from certrules.formats.course_keys import is_course_key
from certrules.formats.key_spellings import keys_in, with_whole_keys

MOST_READ = 2_000
"""How many characters of a text are looked at: an address has no more."""

MOST_PARTS = 8
"""How many things of one kind are taken from a text; who has more pastes them where acts on many are planned."""

_LONGEST_WORD = 255
_PATH_WORDS = frozenset({
    "account", "accounts", "admin", "api", "case", "certificate", "certificates", "course", "course-run", "courses",
    "dashboard", "find", "gradebook", "learner", "learners", "learning", "profile", "programs", "records",
    "regeneration", "support", "u",
})  # fmt: skip
"""Words of addresses: a text of three pieces whose middle one is one of these is no key of the old style."""

_FILLERS = frozenset({
    "a", "and", "certificate", "certificates", "course", "courserun", "e-mail", "email", "event", "for", "id", "in",
    "is", "learner", "of", "on", "run", "student", "the", "user", "username", "uuid", "with",
})  # fmt: skip
"""Words that people write around what they look for."""

_LEARNER_NAMES = frozenset({"learner", "learner_id", "lms_user_id", "student", "student_id", "user", "user_id"})
_PERSON_NAMES = frozenset({
    "email", "e-mail", "mailto", "student_email", "username", "username_or_email", "unique_student_identifier",
})  # fmt: skip
_OTHER_NAMES = frozenset({
    "certificate", "certificate_id", "certificate_uuid", "course", "course_id", "course_key", "course_run", "event",
    "event_id", "id", "run", "uuid",
})  # fmt: skip
_IN_PATH = (
    (re.compile(r"/certificates/user/(\d{1,19})(?=/|$)"), "learner"),
    (re.compile(r"/progress/(\d{1,19})(?=/|$)"), "learner"),
    (re.compile(r"/admin/auth/user/(\d{1,19})(?=/|$)"), "learner"),
    (re.compile(r"/learners?/(\d{1,19})(?=/|$)"), "learner"),
    (re.compile(r"/(?:u|accounts)/([^/]{1,255})(?=/|$)"), "username"),
    (re.compile(r"/support/(?:enrollment|manage_user)/([^/]{1,255})(?=/|$)"), "username"),
    (re.compile(r"/api/certificates/v\d/certificates/([^/]{1,255})(?=/|$)"), "username"),
)
"""Where addresses of the platform and of this service have a learner's id or username."""

_ROW = re.compile(r"/admin/(?!auth/user/)[a-z_]+/([a-z_]+)/(\d{1,19})(?=/|$)")
"""Where an address of the platform's admin has the number of a row."""

_SOUGHT = frozenset({"q", "query", "search"})
"""The names under which addresses have what somebody looked for: it is read like a text."""

_HOST = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?/|localhost(?::\d+)?/", re.IGNORECASE)
_BLOCK = re.compile(r"[+@](?:type|block|branch|version)@[^\s/?#&]*")
_SEPARATORS = re.compile(r"[\s,;|]+")
_AROUND = "\"'`<>()[]{}.,:;!?#\\\u201c\u201d\u2018\u2019\u00ab\u00bb"
_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
_NUMBER = re.compile(r"[0-9]{1,19}")


class SearchText(NamedTuple):
    """What a text names, each thing once and in order."""

    learner_ids: tuple[int, ...] = ()
    people: tuple[str, ...] = ()  # usernames and e-mails, known to be that by what stands around them
    course_runs: tuple[str, ...] = ()  # keys
    ids: tuple[str, ...] = ()  # of certificates, events or bulk revocations: lower case, with dashes
    run_ids: tuple[str, ...] = ()  # of bulk runs
    words: tuple[str, ...] = ()  # usernames, parts of keys, or certificate ids of another form
    rows: tuple[str, ...] = ()  # of the platform's admin, such as "generatedcertificate 12": known only there
    is_cut: bool = False  # whether it was too long, and the rest was not looked at

    @property
    def is_nothing(self) -> bool:
        """Whether nothing can be looked up."""
        return not any(self._replace(rows=(), is_cut=False))


@dataclass(slots=True)
class _Found:
    """What was found in a text so far; dicts, for order without repetition."""

    learner_ids: dict[int, None] = field(default_factory=dict)
    people: dict[str, None] = field(default_factory=dict)
    course_runs: dict[str, None] = field(default_factory=dict)
    ids: dict[str, None] = field(default_factory=dict)
    run_ids: dict[str, None] = field(default_factory=dict)
    words: dict[str, None] = field(default_factory=dict)
    rows: dict[str, None] = field(default_factory=dict)
    fillers: dict[str, None] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[dict[Any, None], ...]:
        """What was found of each kind, in the order of SearchText."""
        return self.learner_ids, self.people, self.course_runs, self.ids, self.run_ids, self.words, self.rows

    @property
    def count(self) -> int:
        """How much was found."""
        return sum(map(len, self.kinds))


def read_search(text: str) -> SearchText:
    """Return what a text names: in any order, pasted from anywhere, encoded up to three times."""
    found, plain = _Found(), _plain(text[:MOST_READ])
    for token in _tokens(plain):
        _read(token, found)
    if found.count == len(found.words) and (ids := ids_in(plain)):  # an id that a line's end broke
        found.ids, found.words = dict.fromkeys(str(UUID(plain)) for plain in ids), {}
    if not found.count:
        found.words = found.fillers
    is_cut = len(text) > MOST_READ or any(len(kind) > MOST_PARTS for kind in found.kinds)
    return SearchText._make((*(tuple(kind)[:MOST_PARTS] for kind in found.kinds), is_cut))


def _plain(text: str) -> str:
    """Return a text decoded, with plain digits and dashes, and blanks for what doesn't show."""
    for _ in range(3):  # a link in a link is encoded twice
        text = unquote(text)
    letters = (letter for letter in normalize("NFKC", text) if category(letter) != "Cf")
    return "".join(_plain_letter(letter) for letter in letters)


def _plain_letter(letter: str) -> str:
    kind = category(letter)
    if kind == "Nd":
        return str(int(letter))
    if kind == "Pd":
        return "-"
    return " " if kind[0] in "ZC" else letter


def _tokens(plain: str) -> Iterator[str]:
    whole = _BLOCK.sub("", with_whole_keys(plain))
    for token in _SEPARATORS.split(whole):
        if stripped := token.strip(_AROUND):
            yield stripped


def _read(token: str, found: _Found) -> None:
    if _is_address(token):
        _read_address(token, found)
        return
    if keys := keys_in(token):
        found.course_runs |= dict.fromkeys(keys)
        return
    if ids := ids_in(token):
        found.ids |= dict.fromkeys(str(UUID(plain)) for plain in ids)
        return
    name, sign, value = _named(token)
    if sign:
        _read_named(name, value, found)
    elif not is_learner_id(token) and "@" in token[1:-1]:
        found.people[token] = None
    else:
        _read_plain(token, found)


def _read_plain(token: str, found: _Found) -> None:
    if is_learner_id(token):
        found.learner_ids[int(token)] = None
    elif _RUN_ID.fullmatch(token):
        found.run_ids[token] = None
    elif is_course_key(token):
        found.course_runs[token] = None
    elif token.count("+") == 2 and is_course_key(f"course-v1:{token}"):
        found.course_runs[f"course-v1:{token}"] = None
    elif token.casefold() in _FILLERS | _LEARNER_NAMES | _PERSON_NAMES | _OTHER_NAMES:
        found.fillers[token] = None
    elif word := token.strip("@/=&")[:_LONGEST_WORD]:
        found.words[word] = None


def is_learner_id(text: str) -> bool:
    """Whether a text is a learner's id: a whole number in digits that the platform's database can store."""
    return _NUMBER.fullmatch(text) is not None and 0 < int(text) < 2**63


def _is_address(token: str) -> bool:
    if "://" in token or token.startswith("/"):
        return True
    if is_course_key(token) and token.count("/") == 2 and token.split("/")[1].casefold() not in _PATH_WORDS:
        return False
    return _HOST.match(token) is not None


def _named(token: str) -> tuple[str, str, str]:
    """Return name, sign and value of such as `user_id=86`, `user__id=86` or `learner:86`; no sign for anything else."""
    for sign in "=:":
        name, _, value = token.partition(sign)
        of = name.partition("__")[0].casefold()
        if of in _LEARNER_NAMES | _PERSON_NAMES:  # with what the platform's admin filters them by
            name = of
        if value and name.casefold() in _LEARNER_NAMES | _PERSON_NAMES | _OTHER_NAMES:
            return name.casefold(), sign, value.strip(_AROUND)
    return "", "", ""


def _read_named(name: str, value: str, found: _Found) -> None:
    if not value:
        return
    if name in _PERSON_NAMES or (name in _LEARNER_NAMES and not is_learner_id(value)):
        found.people[value[:_LONGEST_WORD]] = None
    elif ids := ids_in(value):
        found.ids |= dict.fromkeys(str(UUID(plain)) for plain in ids)
    else:
        _read_plain(value, found)


def _read_address(token: str, found: _Found) -> None:
    """Read an address: its keys and ids wherever they stand, then what its path and its query name."""
    before = found.count
    found.run_ids |= dict.fromkeys(_RUN_ID.findall(token))
    keys, ids = keys_in(token), ids_in(token)
    found.course_runs |= dict.fromkeys(keys)
    found.ids |= dict.fromkeys(str(UUID(plain)) for plain in ids)
    place, _, query = token.partition("#")[0].partition("?")
    for pattern, name in _IN_PATH:
        for match in pattern.finditer(place):
            _read_named(name, match[1], found)
    found.rows |= dict.fromkeys(f"{model} {row}" for model, row in _ROW.findall(place))
    _read_query(query, found)
    if found.count == before:  # a certificate id of another form, or nothing that is known here
        _, _, last = place.rstrip("/").rpartition("/certificates/")
        if last and "/" not in last and last != place.rstrip("/") and "/admin/" not in place:
            found.words[last[:_LONGEST_WORD]] = None


def _read_query(query: str, found: _Found) -> None:
    """Read the fields of an address that name a learner or something else, and what somebody looked for."""
    for filtered in query.split("&"):
        part = filtered.removeprefix(
            "_changelist_filters="
        )  # the list that a row of the platform's admin leads back to
        name, sign, value = _named(part)
        if sign and not keys_in(value) and not ids_in(value):
            _read_named(name, value, found)
        sought, _, text = part.partition("=")
        if sought in _SOUGHT and not keys_in(text):
            for piece in text.split("+"):
                if stripped := piece.strip(_AROUND):
                    _read(stripped, found)
