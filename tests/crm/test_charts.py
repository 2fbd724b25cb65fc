"""Charts as numbers for an SVG, with their figures in words."""

from crm.charts import HEIGHT, Series, Slot, lines, stacked

SLOTS = [Slot("10:00"), Slot("11:00"), Slot("12:00"), Slot("13:00")]


def test_columns_stand_on_each_other_and_the_least_count_is_seen() -> None:
    taken, failed = Series("Taken", "ok", [0, 60, 999, 1]), Series("Failed", "bad", [0, 20, 1, 0])
    chart = stacked(id="c", title="Attempts", slots=SLOTS, series=[taken, failed])
    blocks = [[(block.tone, block.y, block.height) for block in column.blocks] for column in chart.columns]
    assert chart.highest == "1,000"
    assert blocks == [
        [],
        [("ok", "112.8", "7.2"), ("bad", "110.4", "2.4")],
        [("ok", "0.1", "119.9"), ("bad", "-1.9", "2")],
        [("ok", "118", "2")],
    ]
    assert chart.columns[1].text == "11:00 · Taken 60 · Failed 20"
    assert chart.summary == "Taken: 1,060. Failed: 21."
    assert [values for _slot, values in chart.table][2] == ["999", "1"]


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    chart = lines(id="c", title="Times", slots=SLOTS, series=[Series("p50", "accent", [50, None, 0, 100])])
    assert chart.lines == [("accent", f"M0 60L120 60L240 60M480 {HEIGHT}L600 {HEIGHT}L840 0L960 0")]
    assert (chart.highest, chart.summary) == ("100 ms", "p50: 0 ms to 100 ms.")
    assert chart.table[1][1] == ["–"]


def test_an_empty_chart_says_so() -> None:
    chart = lines(id="c", title="Times", slots=SLOTS, series=[Series("p50", "accent", [None] * 4)])
    assert (chart.highest, chart.summary) == ("1 ms", "Nothing yet.")
