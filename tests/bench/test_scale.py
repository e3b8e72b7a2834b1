"""What the benchmark of whole course runs counts: the CPU of the functions, not that of the services' stand-ins."""

import time

from bench.scale import StandIns
from tests.scenes.shop import Shop, shop

__all__ = ["shop"]


def test_what_the_local_cloud_takes_to_answer_a_request_is_not_counted(shop: Shop) -> None:
    stand_ins = StandIns()

    def work() -> int:
        for _ in range(5):
            shop.cloud.client("s3").list_buckets()
        return 1

    work()  # imports are no work
    with stand_ins.counted():
        start = time.process_time()
        cost = stand_ins.timed(work)
        whole = time.process_time() - start

    assert 0 < stand_ins.cpu < whole
    assert cost.cpu <= whole - stand_ins.cpu
