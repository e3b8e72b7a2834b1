"""What the benchmark of memory and threads makes of the delays that it measured."""

from bench.memory import LATENCIES, MEMORIES, SIDES, Delay, table


def test_a_row_has_the_ratio_to_bare_pynamodb_and_what_lambda_charges_for_a_million_events() -> None:
    seconds = {SIDES[0]: 0.1, SIDES[1]: 0.12, SIDES[2]: 0.05}
    delays = [
        Delay(memory, latency, side, seconds[side]) for memory in MEMORIES for latency in LATENCIES for side in SIDES
    ]
    lines = table(delays).splitlines()
    assert len(lines) == 2 + len(delays)
    # a million events are 100,000 batches: 20 cents a million of them, and 13.3334 dollars a million GB-seconds
    assert lines[6] == "| 1 | 1,024 | one after the other | 120 | 1.20 | 0.180 |"
    assert lines[7] == "| 1 | 1,024 | threads | 50 | 0.50 | 0.087 |"
