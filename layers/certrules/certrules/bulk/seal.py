"""The seal of a plan: digests of everything that decides, and the hash over them that is approved.

The files of a run are in a bucket that others may be able to write to. What decides is therefore taken from the state
machine's execution: the request, the seal and the approval. A file is believed only if it is as the seal has it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from certrules import aws
from certrules.bulk.runs import BulkRequest, PartName, Plan, PlanApproval, digest_of, read
from certrules.core.wording import listed

START_AGAIN = "start a new run"
NOTHING_IS_APPLIED = f"nothing is applied: {START_AGAIN}"


class PlanError(Exception):
    """The plan is not what it has to be. A retry can't help."""


class Seal(msgspec.Struct, frozen=True):
    """What a plan was sealed as."""

    hash: str
    fields: dict[str, str]  # the digest of each thing that decides; of the parts, the root of their tree


class ListedPart(msgspec.Struct, frozen=True):
    """A part to apply, with the proof that it is one of the sealed plan."""

    part: PartName
    proof: list[str]


def request_of(run: Mapping[str, Any]) -> BulkRequest:
    """Return the request of an execution, or of a run's note. Raises msgspec.ValidationError, which names the field."""
    return msgspec.convert({**run["request"], "id": run["id"]}, BulkRequest)


def seal_of(run: Mapping[str, Any]) -> Seal:
    """Return the seal that an execution has. Raises PlanError if it is not the one that was approved."""
    seal = msgspec.convert({name: run["sealed"][name] for name in ("hash", "fields")}, Seal)
    approval = msgspec.convert(run.get("approval"), PlanApproval | None)
    if hash_of(seal.fields) != seal.hash:
        raise PlanError(f"the hash {seal.hash} is not that of what was sealed; {NOTHING_IS_APPLIED}")
    if approval is not None and approval.hash != seal.hash:
        raise PlanError(f"the plan {seal.hash} is not the one that was approved, {approval.hash}; {NOTHING_IS_APPLIED}")
    return seal


def request_fields(request: BulkRequest) -> dict[str, str]:
    """Return the digest of each thing of a request that decides."""
    values: dict[str, Any] = {
        "run": request.id,
        "mode": (request.purpose, request.dry_run, request.as_if),
        "course runs": request.course_runs,
        "learners": request.learners,
        "statuses": request.statuses,
        "instant": request.at,
        "policy": request.terms,
        "asked for by": request.by,
        "reason": request.reason,
    }
    return {name: digest_of(msgspec.json.encode(value)) for name, value in values.items()}


def fields_of(request: BulkRequest, plan: Plan, parts: Iterable[PartName], comparison: bytes = b"") -> dict[str, str]:
    """Return the digest of each thing that decides: the request, who has to approve, the counts, and the parts."""
    counts = {name: value for name, value in msgspec.structs.asdict(plan).items() if name not in {"hash", "approvers"}}
    return {
        **request_fields(request),
        "approvers": digest_of(plan.approvers.encode()),
        "counts": digest_of(msgspec.json.encode(counts)),
        "comparison": digest_of(comparison),
        "parts": _levels(parts)[-1][0],
    }


def hash_of(fields: Mapping[str, str]) -> str:
    """Return the hash of a plan: SHA-256 over the names and digests of what decides."""
    return digest_of("".join(f"{name} {digest}\n" for name, digest in sorted(fields.items())).encode())


def refuse_altered(sealed: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise PlanError, which names what differs, unless all that was found is as it was sealed."""
    differing = [name for name in found if sealed.get(name) != found[name]]
    if differing:
        raise PlanError(f"altered since the plan was sealed: {listed(differing)}; {NOTHING_IS_APPLIED}")


def refuse_other_request(folder: aws.Folder, request: BulkRequest) -> None:
    """Raise PlanError, which names what differs, unless the plan was made for this very request."""
    refuse_altered(request_fields(request), request_fields(content_of(folder, "request.json", BulkRequest)))


def checked_plan(folder: aws.Folder, run: Mapping[str, Any]) -> tuple[Plan, list[PartName], Seal]:
    """Return the plan of a run, its parts and its seal. Raises PlanError if any of it differs from what was sealed."""
    seal, request = seal_of(run), request_of(run)
    refuse_other_request(folder, request)
    plan, parts = content_of(folder, "plan.json", Plan), content_of(folder, "parts.json", list[PartName])
    found = fields_of(request, plan, parts, folder.read("comparison.json") or b"")
    refuse_altered({**seal.fields, "hash": seal.hash}, {**found, "hash": plan.hash})
    return plan, parts, seal


def content_of[T](folder: aws.Folder, name: str, kind: type[T]) -> T:
    """Return the content of a file. Raises PlanError if it is missing or can't be read."""
    found = readable(folder, name, kind)
    if found is None:
        raise PlanError(f"altered since the plan was sealed: {name} is missing or unreadable; {NOTHING_IS_APPLIED}")
    return found


def readable[T](folder: aws.Folder, name: str, kind: type[T]) -> T | None:
    """Return the content of a file; None if there is none that can be read."""
    try:
        return read(folder, name, kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


# --- the parts: a hash tree, so that one part is proved without reading the names of all


def listed_parts(parts: Sequence[PartName]) -> list[ListedPart]:
    """Return parts with their proofs: of each level of the tree, the digest beside the way to its root."""
    levels = _levels(parts)
    found = []
    for place, part in enumerate(parts):
        proof, position = [], place
        for level in levels[:-1]:
            beside = position ^ 1
            if beside < len(level):
                proof.append(f"{'<' if beside < position else '>'}{level[beside]}")
            position //= 2
        found.append(ListedPart(part, proof))
    return found


def refuse_foreign(seal: Seal, item: ListedPart) -> None:
    """Raise PlanError unless a part is one of the sealed plan."""
    digest = _leaf(item.part)
    for beside in item.proof:
        digest = _node(beside[1:], digest) if beside[0] == "<" else _node(digest, beside[1:])
    if digest != seal.fields["parts"]:
        raise PlanError(f"the part {item.part.name} is not one of the plan that was sealed: {START_AGAIN}")


def _levels(parts: Iterable[PartName]) -> list[list[str]]:
    """Return the levels of the tree over parts, the root last. A digest without a neighbour goes up as it is."""
    levels = [[_leaf(part) for part in parts] or [digest_of(b"")]]
    while len(below := levels[-1]) > 1:
        pairs = (below[place : place + 2] for place in range(0, len(below), 2))
        levels.append([_node(*pair) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels


def _leaf(part: PartName) -> str:
    return digest_of(b"part " + msgspec.json.encode(part))


def _node(left: str, right: str) -> str:
    return digest_of(f"node {left} {right}".encode())
