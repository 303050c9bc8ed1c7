"""The table and the picture of a search."""

import csv

import pytest
from matplotlib.figure import Figure

from tasks.common.charts import FRONT, INK, PALE
from tasks.search import records as search_records
from tasks.search.records import STYLES, Record, draw, write_history


def record(name, kind="candidate", score=0.5, cost=1.0, state="complete", what=""):
    return Record(name, kind, score, cost, 1_500_000, 60_000_000, 12.34567, state, what)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_history_has_a_line_for_each_network(tmp_path):
    records = [
        record("seed", "seed", 0.75, 2.123456),
        record("trial 1", score=None, state="pruned", what="kernel 5, expansion 3 → 4"),
    ]
    write_history(tmp_path / "history.csv", records, "latency")
    found = rows_of(tmp_path / "history.csv")
    assert list(found[0]) == [
        "name", "kind", "score", "latency_ms", "params", "madds", "seconds", "state", "what", "sd",
    ]  # fmt: skip
    assert list(found[0].values()) == [
        "seed", "seed", "0.75", "2.1235", "1500000", "60000000", "12.346", "complete", "", "",
    ]  # fmt: skip
    assert (found[1]["score"], found[1]["state"], found[1]["what"]) == ("", "pruned", "kernel 5, expansion 3 → 4")


@pytest.mark.parametrize("name", ["madds", "params"])
def test_a_cost_that_is_counted_anyway_stands_there_once(name, tmp_path):
    write_history(tmp_path / "history.csv", [record("seed", cost=60e6)], name)
    (found,) = rows_of(tmp_path / "history.csv")
    assert list(found) == [
        "name", "kind", "score", *sorted({"madds", "params"}, key=lambda key: key != name), "seconds", "state", "what",
        "sd",
    ]  # fmt: skip
    assert (found["params"], found["madds"]) == ("1500000", "60000000")


@pytest.fixture
def strokes(monkeypatch, tmp_path):
    """Draws records, and says of the picture: its texts and the number of points of its lines, by colour."""

    def drawn(*records):
        texts, lines = {}, {}

        def look(_path, draw, width, height):
            figure = Figure((width, height))
            draw(figure)
            (axes,) = figure.axes
            for text in axes.texts:
                texts.setdefault(text.get_color(), []).append(text.get_text())
            texts["axes"] = [axes.get_xlabel(), axes.get_ylabel()]
            for line, heading in zip(figure.legends[0].legend_handles, figure.legends[0].get_texts(), strict=True):
                texts.setdefault(line.get_color(), []).append(heading.get_text())
            for line in axes.lines:
                if line.get_linestyle() != "None":
                    lines.setdefault(line.get_color(), []).append(len(line.get_xdata()))
            return ""

        monkeypatch.setattr(search_records, "write_chart", look)
        draw(tmp_path / "search.png", records, "latency", "top1")
        return texts, lines

    return drawn


SEED = record("V3-Small", "seed", 0.7, 2.0)


def test_each_kind_has_its_colour_and_a_word_in_the_legend(strokes):
    found, step = record("F", "found", 0.72, 1.5), record("step 3", "step", 0.9, 1.4)
    texts, _ = strokes(SEED, found, step)
    assert {"V3-Small", "seed"} <= set(texts[STYLES["seed"].colour]) and texts["axes"] == ["milliseconds", "top1"]
    assert set(texts[STYLES["found"].colour]) == {"F", "found"}
    assert texts[FRONT] == ["Pareto front"] and "steps" in texts[PALE]
    assert not any("step 3" in said for said in texts.values())  # there are too many


def test_widths_are_joined_by_a_line_of_their_own(strokes):
    widths = [record("0.5", "width", 0.5, 1.0), record("1.0", "width", 0.7, 3.0), record("0.75", "width", 0.6, 2.0)]
    texts, lines = strokes(record("best", "seed", 0.9, 0.9), *widths)
    blue = STYLES["width"].colour
    assert lines[blue] == [4] and lines[FRONT] == [1]  # the seed is the width 1.0 of itself
    assert sorted(filter(None, texts[blue])) == ["0.5", "0.75", "1.0", "width multipliers"]


def test_names_of_candidates_stand_on_the_front_only(strokes):
    texts, lines = strokes(SEED, record("beaten", score=0.6, cost=2.5), record("better", score=0.65, cost=1.5))
    assert "better" in texts[INK] and not any("beaten" in said for said in texts.values())
    assert lines[FRONT] == [2] and "candidates" in texts[PALE]


def test_names_leave_each_other_room(strokes):
    crowd = [record(f"candidate {n}", score=0.7 + n / 1e4, cost=2 + n / 1e4) for n in range(40)]
    texts, lines = strokes(SEED, record("0.5", "width", 0.2, 1.0), *crowd)
    assert lines[FRONT] == [41] and 0 < sum("candidate " in said for said in texts[INK]) < 10


def test_what_has_no_score_is_left_out(tmp_path):
    path = tmp_path / "search.png"
    draw(path, [SEED], "latency", "top1")
    alone = path.read_bytes()
    lost = record("lost", "found", float("nan"), 9.0)
    draw(path, [SEED, record("pruned", score=None, cost=9.0), lost], "latency", "top1")
    assert path.read_bytes() == alone
    path.unlink()
    draw(path, [record("pruned", score=None)], "latency", "top1")
    assert not path.exists()
