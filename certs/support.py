"""The `certs` commands that speak the support API, of the local cloud or of a deployed stack."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import uuid4

import click

from certs import kept
from certs.options import CourseRun, Instant, examples

NOT_ALLOWED, NOT_FOUND, CONTRADICTS, TRY_AGAIN = 3, 4, 5, 6
"""Exit codes beside 1 (refused) and 2 (misused)."""

_CODES = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NOT_FOUND, 409: CONTRADICTS, 503: TRY_AGAIN}


class Api:
    """The support API of a stack."""

    def __init__(self, stack: str | None, colleague: bool = False) -> None:
        """Find it. Raises ClickException."""
        try:
            self._stack = kept.find(stack)
        except kept.NoStackError as error:
            raise click.ClickException(str(error)) from error
        self._token = self._stack.colleague if colleague else self._stack.token

    def get(self, path: str, **query: object) -> Any:
        """Return what the API answers. Ends the command if it refuses."""
        asked = {name: _text(value) for name, value in query.items() if value is not None}
        return self._ask(Request(f"{self._stack.api}{path}?{urlencode(asked)}"))

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """Have the API do something, once for a key. Ends the command if it refuses."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid4())}
        data = json.dumps({name: _text(value) for name, value in body.items()}).encode()
        return self._ask(Request(f"{self._stack.api}{path}", data, headers))

    def _ask(self, request: Request) -> Any:
        request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            _fail(_CODES.get(error.code, 1), _told(error))
        except (URLError, HTTPException, OSError) as error:
            if self._stack.is_deployed:
                _fail(TRY_AGAIN, f"the stack's API, {self._stack.api}, doesn't answer: {error}")
            there = f"the local cloud that was up here, at {self._stack.api}, doesn't answer: start it again"
            _fail(TRY_AGAIN, f"{there} (`certs run --keep`, `certs local`)")


def _text(value: object) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _told(error: HTTPError) -> str:
    try:
        problem = json.load(error)
    except ValueError:
        problem = {}
    if error.code == 401:
        return "the API doesn't know who you are: put a valid token into CERTS_TOKEN"
    title = problem.get("title") or problem.get("message") or f"HTTP {error.code}"
    field = f" ({problem['field']})" if problem.get("field") else ""
    return f"{title}{field}" + (f": {problem['fix']}" if problem.get("fix") else "")


def _fail(code: int, message: str) -> Any:
    error = click.ClickException(message)
    error.exit_code = code
    raise error


# --- what the commands have in common

type Command = Callable[..., None]

_stack_option = click.option(
    "--stack", metavar="NAME", help="A deployed stack; default: the local cloud that is up in this folder."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="The API's answer as JSON.")
_reason_option = click.option("--reason", required=True, help="Why; kept with your name, and shown to support.")
_key_option = click.option("--key", help="The same key acts once, however often it is asked for; default: a new one.")
_colleague_option = click.option(
    "--colleague", is_flag=True, help="On the local cloud: act as the second person of the two that revoke in bulk."
)
_yes_option = click.option("--yes", is_flag=True, help="Don't ask before acting.")


def _learner(command: Command) -> Command:
    course_run = click.argument("course_run", type=CourseRun())
    return click.argument("learner", type=click.IntRange(min=1))(course_run(command))


def _show(answer: Any, as_json: bool, human: Callable[[], None]) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        human()


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]], nothing: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(table if table.row_count else nothing, soft_wrap=not table.row_count)


# --- looking


@click.command(
    epilog=examples(
        "certs explain 86 course-v1:DemoX+CS101+2026_T1",
        "certs explain 86 course-v1:DemoX+CS101+2026_T1 --as-of 2026-04-01T00:00:00Z",
    )
)
@_learner
@click.option("--as-of", type=Instant(), help="Explain as of this instant; default: now, as it was published.")
@_stack_option
@_json_option
def explain(learner: int, course_run: str, as_of: datetime | None, stack: str | None, *, as_json: bool) -> None:
    """Say why a learner has a certificate, or hasn't.

    And who can fix it, and how; what each rule says; and what happened. LEARNER is the platform's user id.
    """
    case = Api(stack).get("/v1/case", learner_id=learner, course_run=course_run, as_of=as_of)
    text = case.pop("text")
    _show(case, as_json, lambda: click.echo(text, nl=False))


@click.command(epilog=examples("certs timeline 86 course-v1:DemoX+CS101+2026_T1"))
@_learner
@_stack_option
@_json_option
def timeline(learner: int, course_run: str, stack: str | None, *, as_json: bool) -> None:
    """List what happened to a learner's certificate.

    And what was published when: facts, policies and transitions, with who did it and why.
    """
    case = Api(stack).get("/v1/case", learner_id=learner, course_run=course_run)
    found = {"timeline": case["timeline"], "history": case["history"]}

    def human() -> None:
        for moment in case["timeline"]:
            click.echo(("* " if moment["kind"] == "transition" else "  ") + moment["sentence"])
        rows = (
            (item["at"], item["kind"], item["status"], item["cause"], item["by"], item["published_at"] or "not yet")
            for item in case["history"]
        )
        click.echo()
        _table(("at", "kind", "status", "cause", "by", "published"), rows, "Nothing was published.")

    _show(found, as_json, human)


@click.command(epilog=examples("certs learner 86"))
@click.argument("learner", type=click.IntRange(min=1))
@_stack_option
@_json_option
def learner(learner: int, stack: str | None, *, as_json: bool) -> None:
    """List a learner's course runs.

    With the certificate in each. LEARNER is the platform's user id.
    """
    found = Api(stack).get(f"/v1/learners/{learner}")
    rows = (
        (
            row["course_run"],
            row["certificate"] and row["certificate"]["status"],
            row["certificate"] and row["certificate"]["issued_at"],
        )
        for row in found["course_runs"]
    )
    _show(found, as_json, lambda: _table(("course run", "certificate", "issued"), rows, "Nothing is known of them."))


@click.command(
    "what-if", epilog=examples("certs what-if 86 course-v1:DemoX+CS101+2026_T1 --change pass --change verify_id")
)
@_learner
@click.option("--change", "changes", multiple=True, help="What to suppose, by its code; a wrong one lists all.")
@_stack_option
@_json_option
def what_if(learner: int, course_run: str, changes: tuple[str, ...], stack: str | None, *, as_json: bool) -> None:
    """Say what would come of changes, without making any.

    Codes are pass, fail, verify_id, allowlist, mode:verified and others.
    """
    body = {"learner_id": learner, "course_run": course_run, "changes": list(changes)}
    found = Api(stack).post("/v1/case/what-if", body)
    after = found["after"]
    reasons = f", because of: {', '.join(after['reasons'])}" if after["reasons"] else ""
    _show(
        found,
        as_json,
        lambda: click.echo(f"The certificate would be: {after['status'] or 'none'}{reasons}. Nothing was stored."),
    )


@click.command(epilog=examples("certs check course-v1:DemoX+CS101+2026_T1"))
@click.argument("course_run", type=CourseRun())
@_stack_option
@_json_option
def check(course_run: str, stack: str | None, *, as_json: bool) -> None:
    """Say why a course run can issue no certificates.

    Exit code 1 if something in its configuration stands in the way.
    """
    found = Api(stack).get("/v1/course-run", course_run=course_run)
    rows = (("fine" if row["ok"] else "LOOK", row["sentence"], row["fix"]) for row in found["checks"])
    _show(found, as_json, lambda: _table(("", "", "what to do"), rows, ""))
    if not found["ok"]:
        sys.exit(1)


@click.command(epilog=examples("certs invalidations course-v1:DemoX+CS101+2026_T1"))
@click.argument("course_run", type=CourseRun())
@_stack_option
@_json_option
def invalidations(course_run: str, stack: str | None, *, as_json: bool) -> None:
    """List a course run's invalidations, active and lifted.

    Whose they are, by whom or which exam, when and why.
    """
    found = Api(stack).get("/v1/invalidations", course_run=course_run)["invalidations"]
    rows = (
        (
            row["learner_id"],
            row["origin"],
            row["at"],
            row["by"],
            row["notes"],
            f"{row['lifted_at']} {row['lifted_by']}" if row["lifted_at"] else "active",
        )
        for row in found
    )
    heads = ("learner", "origin", "since", "by", "why", "lifted")
    _show(found, as_json, lambda: _table(heads, rows, "No certificate in this course run was ever invalidated."))


@click.command("export-case", epilog=examples("certs export-case 86 course-v1:DemoX+CS101+2026_T1 case.jsonl"))
@_learner
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_stack_option
def export_case(learner: int, course_run: str, file: Path, stack: str | None) -> None:
    """Write the events that reproduce a decision.

    They go through `certs replay`, and one by one through `make debug`; the policy is written beside them.
    """
    found = Api(stack).get("/v1/case/events", learner_id=learner, course_run=course_run)
    try:
        file.write_text("".join(json.dumps(event) + "\n" for event in found["events"]))
        policy = file.with_suffix(".policy.json")
        policy.write_text(json.dumps(_whole_policy(found["policy"], found["web_certificates"])) + "\n")
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(
        f"{len(found['events'])} events. Now: certs replay {file} --policy {policy} --until {found['until']} --explain"
    )


def _whole_policy(policy: str, web_certificates: str) -> Any:
    """Return a deployment's policy as a file has it."""
    web = {} if web_certificates == "on" else {"web_certificates": False}
    found = json.loads(policy) if policy.lstrip().startswith(("{", "[")) else {"preset": policy, "version": policy}
    return [{**web, **item} for item in found] if isinstance(found, list) else {**web, **found}


# --- acting


def _act(
    act: str,
    learner: int,
    course_run: str,
    reason: str,
    stack: str | None,
    key: str | None,
    *,
    yes: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Say what an act will do, and do it if that is wanted."""
    api = Api(stack)
    body = {"act": act, "learner_id": learner, "course_run": course_run, "reason": reason, **more}
    if not yes:
        seen = api.post("/v1/case/preview", body)
        click.echo(seen["sentence"], err=True)
        if seen["takes_away"]:
            click.echo("This takes a certificate away from the learner.", err=True)
        click.confirm("Do it?", abort=True, err=True)
    answer = api.post("/v1/case/act", body, key)
    _show(answer, as_json, lambda: click.echo(f"Sent as event {answer['event_id']}. {answer['sentence']}"))


def _acting(name: str, act: str, text: str) -> click.Command:
    """Return the command for an act on one certificate."""

    @click.command(name, help=text)
    @_learner
    @_reason_option
    @_key_option
    @_yes_option
    @_stack_option
    @_json_option
    def command(
        learner: int, course_run: str, reason: str, key: str | None, stack: str | None, *, yes: bool, as_json: bool
    ) -> None:
        _act(act, learner, course_run, reason, stack, key, yes=yes, as_json=as_json)

    command.epilog = None
    return command


_CASE = "86 course-v1:DemoX+CS101+2026_T1"


@click.group(epilog=examples(f'certs allowlist add {_CASE} --reason "Lab 3 lost its points."'))
def allowlist() -> None:
    """Put a learner on the allowlist, or off."""


allowlist.add_command(_acting("add", "allowlist-add", "Add an entry."))
allowlist.add_command(_acting("remove", "allowlist-remove", "Remove the entry."))

invalidate = _acting("invalidate", "invalidate", "Invalidate a learner's certificate.")
invalidate.epilog = examples(f'certs invalidate {_CASE} --reason "Reported for plagiarism."')
lift = _acting("lift", "lift", "Lift a person's invalidation.")
lift.epilog = examples(f'certs lift {_CASE} --reason "The report was unfounded."')
redecide = _acting("redecide", "redecide", "Have a certificate decided again.")
redecide.epilog = examples(f'certs redecide {_CASE} --reason "Asked for by the learner."')
erase = _acting("erase", "erase-name", "Erase a learner's name.")
erase.epilog = examples(f'certs erase {_CASE} --reason "Asked for by the learner."')


@click.group(epilog=examples(f'certs date set {_CASE} 2026-05-29T00:00:00Z --reason "The course ended then."'))
def date() -> None:
    """Set the date that a certificate shows."""


date.add_command(_acting("remove", "date-remove", "Let it show its own date."))


@date.command("set")
@_learner
@click.argument("instant", type=Instant())
@_reason_option
@_key_option
@_yes_option
@_stack_option
@_json_option
def set_date(
    learner: int,
    course_run: str,
    instant: datetime,
    reason: str,
    key: str | None,
    stack: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Set the date, such as 2026-05-29T00:00:00Z."""
    _act("date-set", learner, course_run, reason, stack, key, yes=yes, as_json=as_json, date=instant)


@click.group(
    epilog=examples(
        "certs held list course-v1:DemoX+CS101+2026_T1",
        f'certs held discard {_CASE} --reason "The grading job was broken."',
    )
)
def held() -> None:
    """List, release or discard revocations."""


held.add_command(_acting("release", "release", "Let a pending revocation take effect now."))
held.add_command(_acting("discard", "discard", "Have the certificate stay."))


@held.command("list")
@click.argument("course_run", type=CourseRun(), required=False)
@_stack_option
@_json_option
def list_held(course_run: str | None, stack: str | None, *, as_json: bool) -> None:
    """List them, of a course run or of all."""
    api, rows, cursor = Api(stack), [], None
    while True:
        found = api.get("/v1/held", course_run=course_run, cursor=cursor)
        rows += found["held"]
        cursor = found["next"]
        if cursor is None:
            break
    cells = (
        (row["learner_id"], row["course_run"], row["cause"], row["since"], row["due"] or "a person decides")
        for row in rows
    )
    _show(
        rows, as_json, lambda: _table(("learner", "course run", "cause", "since", "due"), cells, "Nothing is pending.")
    )


@held.command("discard-all")
@click.argument("course_run", type=CourseRun())
@_reason_option
@_key_option
@_stack_option
@_json_option
def discard_all(course_run: str, reason: str, key: str | None, stack: str | None, *, as_json: bool) -> None:
    """Have all certificates of a course run stay whose revocation is pending."""
    answer = Api(stack).post("/v1/held/discard", {"course_run": course_run, "reason": reason}, key)
    _show(answer, as_json, lambda: click.echo(f"{answer['discarded']} revocations are discarded."))


@click.group(
    epilog=examples(
        'certs revocations request course-v1:DemoX+CS101+2026_T1 --reason "The exam was void."',
        "certs revocations list",
    )
)
def revocations() -> None:
    """Revoke several certificates, by two persons."""


@revocations.command("request")
@click.argument("course_run", type=CourseRun())
@click.option(
    "--learner", "learners", multiple=True, type=click.IntRange(min=1), help="Whose; default: all that are held."
)
@click.option("--invalidate", "act", flag_value="invalidate", help="Invalidate them, rather than release what is held.")
@_reason_option
@_key_option
@_stack_option
@_json_option
def request_revocation(
    course_run: str,
    learners: tuple[int, ...],
    act: str | None,
    reason: str,
    key: str | None,
    stack: str | None,
    *,
    as_json: bool,
) -> None:
    """Ask for a bulk revocation."""
    body = {"act": act or "release", "course_run": course_run, "learners": list(learners) or None, "reason": reason}
    answer = Api(stack).post("/v1/revocations", body, key)
    _show(
        answer,
        as_json,
        lambda: click.echo(
            f"Asked for {len(answer['learners'])} certificates, as {answer['id']}; a second person approves it."
        ),
    )


@revocations.command("list")
@_stack_option
@_json_option
def list_revocations(stack: str | None, *, as_json: bool) -> None:
    """List what was asked for."""
    found = Api(stack).get("/v1/revocations")["revocations"]
    rows = (
        (row["id"], row["state"], len(row["learners"]), row["course_run"], row["requested_by"], row["expires_at"])
        for row in found
    )
    heads = ("id", "state", "certificates", "course run", "asked for by", "expires")
    _show(found, as_json, lambda: _table(heads, rows, "None was asked for."))


def _deciding(word: str, text: str) -> click.Command:
    @click.command(word, help=text)
    @click.argument("revocation_id")
    @_colleague_option
    @_stack_option
    @_json_option
    def command(revocation_id: str, stack: str | None, *, colleague: bool, as_json: bool) -> None:
        answer = Api(stack, colleague).post(f"/v1/revocations/{revocation_id}/{word}", {})
        _show(answer, as_json, lambda: click.echo(f"{len(answer['learners'])} certificates: {answer['state']}."))

    return command


revocations.add_command(_deciding("approve", "Approve a bulk revocation: it happens."))
revocations.add_command(_deciding("decline", "Decline a bulk revocation: nothing happens."))


def _switching(name: str, switch: str, text: str) -> click.Command:
    @click.command(
        name,
        help=text,
        epilog=examples(f'certs {name} course-v1:DemoX+CS101+2026_T1 --reason "Grading is being mended."'),
    )
    @click.argument("course_run", type=CourseRun(), required=False)
    @_reason_option
    @_key_option
    @_stack_option
    def command(course_run: str | None, reason: str, key: str | None, stack: str | None) -> None:
        body = {"course_run": course_run, "reason": reason}
        answer = Api(stack).post(f"/v1/automatic-revocations/{switch}", body, key)
        click.echo(f"Sent as event {answer['event_id']}.")

    return command


revocations.add_command(
    _switching("stop", "stop", "Have automatic revocations held.\n\nIn a course run, or everywhere. Awards go on.")
)
revocations.add_command(
    _switching("resume", "resume", "Let automatic revocations take effect again.\n\nWhat was held stays held.")
)

COMMANDS = (
    explain, timeline, learner, what_if, check, invalidations, export_case, allowlist, invalidate, lift, redecide,
    erase, date, held, revocations,
)  # fmt: skip
