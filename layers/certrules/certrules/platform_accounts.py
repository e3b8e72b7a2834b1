"""The platform's accounts API (Open edX, `/api/user/v1/accounts`), asked live for a username, an e-mail or an id.

Answers stay in this process's memory for some minutes and are stored nowhere. The client of the API is one of the
platform's OAuth applications; its id and secret are read from Secrets Manager. Neither these nor what was asked is
logged, and no error names them.
"""

import time
from collections.abc import Callable, Iterable
from itertools import batched
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from certrules.formats.learner_names import Name, usable
from certrules.platform_client import Answer, NoAnswerError, Parameters, PlatformClient, PlatformError

REMEMBERED_SECONDS = 300
"""For how long an answer counts."""

_MISSING_SECONDS = 30
"""For how long it counts that there is no such account: whoever has just registered is found soon."""

_MOST_REMEMBERED = 1_000
_MOST_USERNAMES = 50
"""How many usernames one request asks for: its address and its answer stay far from what servers refuse."""

_PARAMETERS = Parameters("PlatformUrl", "PlatformCredentialsSecret")

type Question = Literal["username", "email", "lms_user_id"]


class Account(NamedTuple):
    """An account of the platform."""

    learner_id: int
    name: Name


class PlatformAccounts:
    """The accounts of one platform. `clock` counts seconds."""

    def __init__(self, url: str, secret: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask the platform at this address, as the client whose credentials are in this secret (an ARN)."""
        self._client = PlatformClient(url, url, secret, _PARAMETERS, clock)
        self._clock = clock
        self._remembered: dict[tuple[str, str], tuple[list[Account], float]] = {}

    def find(self, by: Question, value: str) -> list[Account]:
        """Return the accounts that have this username, e-mail or id: none or one, as a rule. Raises PlatformError."""
        known = self._known(by, value)
        return self._remember(by, value, self._asked(by, value)) if known is None else known

    def find_usernames(self, usernames: Iterable[str]) -> dict[str, list[Account]]:
        """Return the accounts of each username, as `find` does: one request for fifty. Raises PlatformError."""
        found = {username: self._known("username", username) for username in usernames}
        for names in batched([name for name, known in found.items() if known is None], _MOST_USERNAMES, strict=False):
            by_name: dict[str, list[Account]] = {}
            for account in self._asked("username", ",".join(names)):
                by_name.setdefault(account.name.username.casefold(), []).append(account)
            is_clear = by_name.keys() <= {name.casefold() for name in names}
            for name in names:  # a platform that has a name under another spelling names it if it is asked alone
                some = by_name.get(name.casefold(), [])
                found[name] = (
                    self._remember("username", name, some) if some or is_clear else self.find("username", name)
                )
        return {name: some or [] for name, some in found.items()}

    def _known(self, by: Question, value: str) -> list[Account] | None:
        """Return what is remembered; None if it has to be asked."""
        found, until = self._remembered.get((by, value), ([], 0.0))
        return found if self._clock() < until else None

    def _remember(self, by: Question, value: str, found: list[Account]) -> list[Account]:
        self._remembered.pop((by, value), None)
        while len(self._remembered) >= _MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[by, value] = found, self._clock() + (REMEMBERED_SECONDS if found else _MISSING_SECONDS)
        return found

    def _asked(self, by: Question, value: str) -> list[Account]:
        answer = self._answer(f"/api/user/v1/accounts?{urlencode([(by, value)], safe=',')}")
        if answer.status == 404:
            return []
        if answer.status in {401, 403}:
            raise PlatformError(
                "the platform refuses to name accounts to this service",
                "have an operator make the user of the OAuth application staff (docs/names.md)",
            )
        if answer.status != 200 or not isinstance(answer.body, list):
            raise _unexpected(answer.status)
        return [account for account in map(_account, answer.body) if account is not None]

    def _answer(self, path: str) -> Answer:
        try:
            answer = self._client.request("GET", path)
        except NoAnswerError as error:
            raise _silent(error.why) from None
        if answer.status == 429 or answer.status >= 500:
            raise _silent(f"it answers {answer.status}")
        return answer


def _silent(why: str) -> PlatformError:
    fix = f"ask again later, or give the learner's id; if it stays so, have an operator look at PlatformUrl ({why})"
    return PlatformError("the platform doesn't answer", fix, is_passing=True)


def _unexpected(status: int) -> PlatformError:
    fix = f"have an operator compare PlatformUrl with the address of the LMS: it answers {status} in another form"
    return PlatformError("there is no accounts API at the platform's address", fix)


def _account(body: Any) -> Account | None:
    """Return an account of an answer; None for the user that the platform has in place of deleted ones.

    Raises PlatformError for an account without its id, as it is shown to whoever isn't staff.
    """
    if not isinstance(body, dict) or not isinstance(body.get("id"), int) or isinstance(body["id"], bool):
        raise PlatformError(
            "the platform names no ids of accounts to this service",
            "have an operator make the user of the OAuth application staff (docs/names.md)",
        )
    name = usable(Name(body.get("username"), body.get("name")))  # type: ignore[arg-type] # it is any JSON yet
    return Account(body["id"], name or Name("", "")) if body["id"] > 0 else None
