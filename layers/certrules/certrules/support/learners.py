"""Finding a learner by username or e-mail: among the stored names, and at the platform, which is asked live."""

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from certrules import aws, settings, storage
from certrules.formats.learner_names import MOST_CHARACTERS, Name
from certrules.platform_accounts import Account, PlatformAccounts
from certrules.platform_client import PlatformError
from certrules.requests import RefusedActError

type By = Literal["username", "email"]

_WORDS = {"username": "username", "email": "e-mail"}


class FoundLearner(NamedTuple):
    """A learner whom a username or an e-mail may mean."""

    learner_id: int
    username: str
    name: str
    source: Literal["stored", "platform"]


class FoundLearners(NamedTuple):
    """The learners whom a username or an e-mail may mean."""

    learners: tuple[FoundLearner, ...]
    problem: str = ""  # why the platform could not be asked, where the stored names answered without it


@cache
def platform() -> PlatformAccounts | None:
    """Return the platform's accounts, by the stack's parameters; None if they name no platform."""
    url, _, secret = os.environ.get("PLATFORM", "").partition(" ")
    return PlatformAccounts(url, secret) if url else None


def find(by: By, text: str) -> FoundLearners:
    """Return the learners who have this username (in whatever case) or this e-mail.

    Raises RefusedActError if there is none, if nobody can know, or if the platform doesn't answer.
    """
    asked = _readable(by, text)
    accounts, error = _asked(lambda accounts: accounts.find(by, asked))
    return _found(by, asked, accounts or (), error)


def _found(by: By, asked: str, accounts: Iterable[Account], error: PlatformError | None) -> FoundLearners:
    """Return stored learners and the platform's accounts; `error`: why there are none of these. Raises as `find`."""
    is_stored = by == "username" and settings.stores_names()
    if not is_stored and platform() is None:
        raise RefusedActError(409, *_nobody_knows(by), by)
    stored = storage.learners_named(asked) if is_stored else {}
    found = {learner: FoundLearner(learner, *name, "stored") for learner, name in stored.items()}
    for account in accounts:
        found[account.learner_id] = FoundLearner(account.learner_id, *account.name, "platform")
    if not found and error is not None:
        raise RefusedActError(503, error.title, error.fix)
    if not found:
        title = f"no learner has the {_WORDS[by]} {asked}"
        raise RefusedActError(404, title, _what_to_try(by, is_stored=is_stored), by)
    learners = tuple(found[learner] for learner in sorted(found))
    return FoundLearners(learners, "" if error is None else error.title)


def find_each(texts: Iterable[str]) -> dict[str, FoundLearners | RefusedActError]:
    """Return whom each text means, an e-mail or a username, or why that is not known.

    The platform is asked for fifty usernames at once, and for each e-mail alone: its API takes only one.
    """
    texts = list(dict.fromkeys(texts))
    usernames = {text: asked for text in texts if "@" not in text and (asked := _username(text))}
    accounts, error = _asked(lambda accounts: accounts.find_usernames(usernames.values()))
    by_username = accounts or {}

    def one(text: str) -> FoundLearners | RefusedActError:
        try:
            if asked := usernames.get(text):
                return _found("username", asked, by_username.get(asked, ()), error)
            return _find_either(text)
        except RefusedActError as refusal:
            return refusal

    return dict(zip(texts, aws.each(one, texts), strict=True))


def _username(text: str) -> str:
    try:
        return _readable("username", text)
    except RefusedActError:
        return ""


def _find_either(text: str) -> FoundLearners:
    """Return the learners of a text that may be an e-mail or a username. Raises as `find`."""
    if "@" not in text:
        return find("username", text)
    try:
        return find("email", text)
    except RefusedActError as refusal:
        if refusal.status not in {404, 409}:
            raise
        try:
            return find("username", text)  # usernames with an @ are rare, but exist
        except RefusedActError:
            raise refusal from None


def usernames_of(learner_ids: Iterable[int]) -> dict[int, str]:
    """Return the stored usernames of these learners: none where names aren't stored. One request for a hundred."""
    if not settings.stores_names():
        return {}
    found = storage.load(names=sorted(set(learner_ids))).names
    usernames = {learner_id: storage.name_of(item).current.username for learner_id, item in found.items()}
    return {learner_id: username for learner_id, username in usernames.items() if username}


def name_of(learner_id: int) -> FoundLearner | None:
    """Return a learner's names, by the platform or as stored; None if nobody knows them, or can be asked."""
    accounts, _ = _asked(lambda accounts: accounts.find("lms_user_id", str(learner_id)))
    for account in accounts or ():
        if account.learner_id == learner_id:
            return FoundLearner(learner_id, *account.name, "platform")
    if not settings.stores_names():
        return None
    stored = storage.name_of(storage.load(names=[learner_id]).names[learner_id]).current
    return None if stored == Name("", "") else FoundLearner(learner_id, *stored, "stored")


def _asked[T](ask: Callable[[PlatformAccounts], T]) -> tuple[T | None, PlatformError | None]:
    """Return what the platform answers, or None and why it doesn't; without a reason, if there is no platform."""
    accounts = platform()
    if accounts is None:
        return None, None
    try:
        return ask(accounts), None
    except PlatformError as error:
        return None, error
    except (BotoCoreError, ClientError) as error:
        fix = f"have an operator look at PlatformCredentialsSecret, and at what may read it ({type(error).__name__})"
        return None, PlatformError("the credentials of this service's client can't be read", fix)


def _readable(by: By, text: str) -> str:
    """Return what is asked for. Raises RefusedActError for what can't be a username or an e-mail."""
    asked = text.strip()
    if not asked or len(asked) > MOST_CHARACTERS or not asked.isprintable() or "," in asked:
        fix = f"give one {_WORDS[by]}, of at most {MOST_CHARACTERS} characters that show, without a comma"
        raise RefusedActError(422, f"this is no {_WORDS[by]}", fix, by)
    if by == "email" and "@" not in asked:
        raise RefusedActError(422, "this is no e-mail", "an e-mail has an @; or ask by username", by)
    return asked


def _nobody_knows(by: By) -> tuple[str, str]:
    if by == "email":
        return (
            "e-mails are not known here",
            "they are never stored: ask by learner id, or have an operator name the platform to be asked (PlatformUrl)",
        )
    return (
        "usernames are not known here",
        "ask by learner id, or have an operator store them (LearnerNames) or name the platform (PlatformUrl)",
    )


def _what_to_try(by: By, *, is_stored: bool) -> str:
    places = [*(["the names stored here"] if is_stored else []), *(["the platform"] if platform() else [])]
    how = "in any case" if by == "username" else "as it is written"
    other = "their e-mail" if by == "username" and platform() else "their username" if by == "email" else ""
    tries = ", ".join(filter(None, ("compare the spelling", f"try {other}" if other else "", "or give the learner id")))
    return f"it was looked for {how} in {' and '.join(places)}: {tries}"
