"""The core: decisions and replays, against a chain of ifs written by hand and against rule engines."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from bench import engines, if_chain
from bench.learners import ENDS, odd_facts, records
from bench.measure import Turn, compare, timed
from bench.tables import Goal, Row, Table, microseconds, per_second
from certrules.core.decision import decide
from certrules.core.facts import Facts
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay

LEARNERS = 2_000
NEVER_JUDGED = 9_000  # more than the core's cache holds: in a circle, each has left it by its next turn
ROUNDS = 25

_CHAIN = "if-chain"


def agree(sample: Iterable[Facts]) -> None:
    """Make sure that all sides give the same reasons. Raises ValueError."""
    zen_expression, zen_table, cel = engines.zen_expression(), engines.zen_table(), engines.cel()
    for facts in sample:
        plain_facts = engines.plain(facts)
        reasons = {
            "the core": decide(facts).unmet,
            "the if-chain": frozenset(if_chain.reasons(facts)),
            "the if-chain, tuned": frozenset(if_chain.reasons_tuned(facts)),
            "ZEN, an expression": frozenset(zen_expression(plain_facts)),
            "ZEN, a table": frozenset(zen_table(plain_facts)),
            "CEL": frozenset(cel(engines.cel_facts(facts))),
        }
        if len(set(reasons.values())) != 1:
            raise ValueError(f"{facts}: {reasons}")


def measure() -> Table:
    """Return the cost of a decision and of a replay."""
    ten, twenty = records(LEARNERS, 10), records(LEARNERS, 20)
    policies = undated(DEFAULT)
    known = [replay(record, policies, ENDS).decision.facts for record in twenty]
    new = [known[n % LEARNERS]._replace(policy=replace(DEFAULT)) for n in range(NEVER_JUDGED)]
    agree([*odd_facts(400), *known[:200], *new[:50]])
    by_own_policy = [(record, undated(replace(DEFAULT))) for record in ten]
    plain_facts = [engines.plain(facts) for facts in known]

    def each[T](work: Callable[[T], object], subjects: list[T], *, remembered: bool = True) -> Turn:
        def run() -> None:
            for subject in subjects:
                work(subject)

        turn = timed(run, len(subjects))

        def after_another() -> float:
            turn()  # judgements that the sides without a cache have displaced are in the cache again
            return turn()

        return after_another if remembered else turn

    def replayed(record: Any) -> object:
        return replay(record, policies, ENDS)

    sides = compare(
        {
            _CHAIN: each(if_chain.reasons, known * 4),
            "the same if-chain, tuned by hand": each(if_chain.reasons_tuned, known * 4),
            "decision": each(decide, known * 4),
            "decision, never judged before": each(decide, new, remembered=False),
            "replay of ten entries": each(replayed, ten[: LEARNERS // 2]),
            "replay of ten entries, each of which changes a fact": each(
                replayed, records(LEARNERS // 4, 10, restless=True)
            ),
            "replay of ten entries, never judged before": each(
                lambda subject: replay(*subject, ENDS), by_own_policy, remembered=False
            ),
            "replay of twenty entries": each(replayed, twenty[: LEARNERS // 4]),
            "ZEN, one compiled expression": each(engines.zen_expression(), plain_facts[:1000]),
            "ZEN, a decision table": each(engines.zen_table(), plain_facts[:20]),
            "CEL, one program compiled to Python": each(
                engines.cel(), [engines.cel_facts(facts) for facts in known[:50]]
            ),
        },
        ROUNDS,
    )
    goals = {"decision": Goal(2), "replay of ten entries": Goal(40)}
    rows = [
        Row(
            name,
            (microseconds(side), per_second(side)),
            None if name == _CHAIN else side.ratio,
            goals.get(name),
        )
        for name, side in sides.items()
    ]
    return Table("all reasons of", ("µs of CPU", "a second, one core"), _CHAIN, rows)
