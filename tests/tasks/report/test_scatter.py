"""Charts of searches and benchmarks, in the page's colours: what they show, and what odd files do to them."""

import json

import pytest

from tasks.report.write import write_report
from tests.chromium import PHONE
from tests.tasks.report.looks import faults

ROW = {
    "runtime": "torch 2",
    "precision": "fp32",
    "device": "cpu",
    "threads": 2,
    "photo": "36×48",
    "height": 32,
    "width": 64,
}
TIMES = {"prepare_p50_ms": 1.0, "network_p50_ms": 8.0, "finish_p50_ms": 3.0, "whole_p50_ms": 12.5}


@pytest.fixture
def shown(chromium, tmp_path):
    """Writes files, opens the page, and returns the points of its charts by title."""

    def go(**files):
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (tmp_path / f"{stem}.{suffix}").write_text(text if isinstance(text, str) else json.dumps(text))
        chromium.resize(PHONE)
        chromium.open(write_report(tmp_path))
        assert not chromium.overflows() and faults(chromium) == [] and chromium.complaints() == []
        return dict(
            chromium.run(
                "return [...document.querySelectorAll('.scatter')].map((each) => [each.dataset.title,"
                " each.points.map(({ name, x, y }) => [name, x, y])])"
            )
        )

    return go


def test_a_benchmark_of_one_network_shows_where_its_time_goes(shown, chromium):
    assert shown(benchmark_json=[{"name": "<b>", **ROW, **TIMES, "params": 5000}]) == {}
    assert chromium.texts(".times .time") == ["<b>12.50 ms"]
    widths = chromium.run("return [...document.querySelectorAll('.parts i')].map((each) => each.clientWidth)")
    assert widths[1] == pytest.approx(8 * widths[0], rel=0.1) and widths[2] == pytest.approx(3 * widths[0], rel=0.1)
    assert "Medians on 2 threads" in chromium.texts("#benchmark .note")[0]


def test_scores_over_latency_where_all_have_one_and_odd_values_nowhere(shown, chromium):
    rows = [{"name": f"net{k}", **ROW, **TIMES, "network_p50_ms": 2.0 + k, "mAP": k / 10} for k in range(3)]
    assert shown(benchmark_json=rows) == {"Latency and mAP": [["net0", 2, 0], ["net1", 3, 0.1], ["net2", 4, 0.2]]}
    rows[1] |= {"mAP": None, "multiply_adds": 3e6, "network_p50_ms": "<i>"}
    rows[0] |= {"multiply_adds": 1e6}
    assert shown(benchmark_json=rows) == {"Latency and million multiply-adds": [["net0", 2, 1]]}


def test_ranks_here_and_on_a_device(shown, chromium, tmp_path):
    rows = [{"name": f"<b>{k}", **ROW, **TIMES, "whole_p50_ms": 9.0 - k, "mAP": 0.5 + k / 1000} for k in range(3)]
    ranked = {"rank_by": "mAP", "rank_time": "whole_p50_ms", "device_name": "<i>phone"}
    for k, row in enumerate(rows):
        row |= ranked | {"rank": 3 - k, "front": k == 2, "beaten_by": None if k == 2 else "<b>2"}
        row |= {"device_ms": 3.0 + k, "device_rank": 1, "device_front": True, "device_beaten_by": None}
    rows[0] |= {"device_ms": None, "device_rank": None, "device_front": None}
    (tmp_path / "metrics.json").write_text('{"files": 3, "front": 1}')  # no scores
    assert shown(benchmark_json=rows) == {
        "Latency on <i>phone and mAP": [["<b>1", 4, 0.501], ["<b>2", 5, 0.502]],
        "Latency and mAP": [["<b>0", 9, 0.5], ["<b>1", 8, 0.501], ["<b>2", 7, 0.502]],
    }
    notes = chromium.texts("#benchmark .note")
    assert notes[1].startswith("The front on <i>phone: <b>1, <b>2. No other is faster at an equal or better mAP.")
    assert "Not ranked: <b>0; run.log says why" in notes[1] and "Not ranked" not in notes[2]
    assert "The front on the machine that measured: <b>2" in notes[2] and "2 of 3 are beaten" in notes[2]
    heads = chromium.texts("#benchmark table:first-of-type th")
    assert heads[:5] == ["name", "rank on <i>phone", "rank", "mAP", "<i>phone ms"]
    assert chromium.texts("#scores") == []
    labels = chromium.texts(".scatter text")
    assert "0.5005" in labels and labels.count("0.501") <= 2  # close scores have digits enough


def test_the_longer_bar_has_the_larger_number(shown, chromium):
    """Medians of stages do not add up to the median of the whole, which the bar shows."""
    stages = {"prepare_p50_ms": 60.0, "network_p50_ms": 2.0, "finish_p50_ms": 0.0}
    rows = [{"name": "larger", **ROW, **TIMES, **stages, "whole_p50_ms": 90.0}]
    rows += [{"name": "smaller", **ROW, **TIMES, **stages, "network_p50_ms": 40.0, "whole_p50_ms": 45.0}]
    shown(benchmark_json=rows)
    script = "return [...document.querySelectorAll('.time .parts')].map((bar) => [...bar.querySelectorAll('i')]"
    widths = chromium.run(f"{script}.reduce((sum, part) => sum + parseFloat(part.style.width), 0))")
    assert widths == pytest.approx([80, 40])


def test_names_that_would_lie_on_each_other_are_left_out(shown, chromium):
    rows = [{"name": f"a network with a long name {k}", **ROW, **TIMES, "mAP": 0.5 + k / 1000} for k in range(12)]
    rows += [{"name": "far", **ROW, **TIMES, "network_p50_ms": 1.0, "mAP": 0.1}]
    shown(benchmark_json=rows)
    named = chromium.texts(".dot-name")
    assert "far" in named and 2 <= len(named) < 13


def test_a_narrowing_has_its_steps_and_what_was_trained(shown):
    history = (
        "name,kind,score,madds,params,state,what\nseed,seed,0.5,4e6,1,complete,\nstep 1,step,0.4,3e6,1,complete,x → y\n"
    )
    history += "seed,seed,0.7,4e6,1,complete,\nfound,found,0.6,3e6,1,complete,\n0.5,width,,2e6,1,failed,\n"
    assert shown(history_csv=history) == {
        "Steps, scored on training images that no network learns from": [["seed", 4, 0.5], ["step 1", 3, 0.4]],
        "Trained, scored on the validation images": [["seed", 4, 0.7], ["found", 3, 0.6]],
    }


def test_candidates_by_measured_latency(shown, chromium):
    history = "name,kind,score,latency_ms,params,madds,state\n"
    history += "".join(f"{k},candidate,{0.5 + k / 100},{10 + k},1,1,complete\n" for k in range(40))
    (points,) = shown(
        history_csv=f"{history}pruned,candidate,0.1,5,1,1,pruned\nfound,found,0.6,20,1,1,complete\n"
    ).values()
    assert len(points) == 41 and points[-1] == ["found", 20, 0.6]
    assert chromium.texts(".dot-name") == ["found"], "candidates have no names"


def test_a_recipes_trials_by_each_number(shown, chromium):
    history = "trial,lr,decay,finetune,score,state,seconds,reason\n0,0.004,0.01,none,0.6,complete,9,\n"
    history += "1,0.04,0,head,0.7,complete,9,\n2,0.4,0.1,head,0.9,pruned,9,\n"
    points = shown(history_csv=history)
    assert points == {
        "Score and lr": [["", 0.004, 0.6], ["", 0.04, 0.7]],
        "Score and decay": [["", 0.01, 0.6], ["", 0, 0.7]],
    }
    assert {"0.005", "0.01", "0.02"} <= set(chromium.texts(".scatter:first-child text")), "steps of a logarithm"


def test_flat_curves_have_a_range_of_their_size(chromium, tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,val/mAP,train/loss\n0,1,0,0.25\n1,2,0,0.25\n")
    chromium.open(write_report(tmp_path))
    ranges = chromium.run("return [fitting(0, 0), fitting(0.5, 0.5), fitting(null, null)]")
    assert ranges == [[0, 1], [0.25, 0.75], [0, 1]]
    assert chromium.complaints() == []


def test_names_of_boxes_do_not_lie_on_each_other(chromium, tmp_path):
    from PIL import Image

    records = tmp_path / "report" / "detect"
    records.mkdir(parents=True)
    Image.new("RGB", (320, 160)).save(records / "image.png")
    found = [[k % 8 * 30, k // 8 * 12, k % 8 * 30 + 60, k // 8 * 12 + 30, k % 3, 0.9 - k / 100, -1] for k in range(64)]
    picture = {"name": "a", "width": 320, "height": 160, "truth": [], "found": found, "files": {"image": "image.png"}}
    classes = [{"name": name, "colour": [200, 0, 0]} for name in ("bicycle", "person", "traffic light")]
    about = {"type": "boxes", "classes": classes, "threshold": 0.1, "lowest": 0.02}
    (records / "pictures.json").write_text(json.dumps({**about, "pictures": [picture]}))
    (tmp_path / "network.json").write_text(json.dumps({"detect": {"params": 1, "multiply_adds": 1}}))
    chromium.open(write_report(tmp_path))
    names = chromium.run(
        "return [...document.querySelectorAll('#pictures figure .found text')].map((each) => {"
        " const { left, right, top, bottom } = each.getBoundingClientRect();"
        " return [each.textContent, left, right, top + 3, bottom - 3]; })"
    )
    assert 8 < len(names) < 64 and "0.90" in {name for name, *_ in names}, "the likeliest has its score"
    for place, (_, left, right, top, bottom) in enumerate(names):
        for _, other_left, other_right, other_top, other_bottom in names[place + 1 :]:
            assert min(right, other_right) - max(left, other_left) < 4 or top >= other_bottom or other_top >= bottom
    assert chromium.run("return document.querySelectorAll('#pictures figure .found').length") == 64, "all have boxes"
