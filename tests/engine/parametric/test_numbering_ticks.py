"""Signs of life of the numbering."""

import pytest

from teethscape.parametric.numbering.ticks import Ticks


def test_shares_grow_and_stay_below_one():
    shares: list[float] = []
    assert list(Ticks(shares.append).over("abc" * 50)) == list("abc" * 50)
    assert shares == sorted(shares)
    assert shares[0] > 0.0
    assert shares[-1] < 1.0


def test_a_step_may_cancel():
    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Ticks(stop).over([1]))
