from hypothesis import given
from hypothesis import strategies as st

from crm.ranks import DIGITS, rank_between, ranks_between


@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=200))
def test_a_rank_put_anywhere_lies_between_its_neighbours(places: list[int]) -> None:
    ranks: list[str] = []
    for place in places:
        index = place % (len(ranks) + 1)
        low = ranks[index - 1] if index else None
        high = ranks[index] if index < len(ranks) else None
        ranks.insert(index, rank_between(low, high))
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert all(not rank.endswith(DIGITS[0]) for rank in ranks)


def test_ten_thousand_cards_on_top_of_each_other_keep_short_ranks() -> None:
    rank = rank_between(None, None)
    for _ in range(10_000):
        rank = rank_between(None, rank)
    assert len(rank) <= 8


def test_many_ranks_at_once_are_in_order_and_short() -> None:
    ranks = ranks_between("A", "B", count=1000)
    assert ranks == sorted(set(ranks))
    assert len(ranks) == 1000
    assert ranks[0] > "A"
    assert ranks[-1] < "B"
    assert max(map(len, ranks)) <= 4
