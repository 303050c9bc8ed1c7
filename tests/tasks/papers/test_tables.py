"""Every table and figure has its command or a reason; every experiment's header has its command and figures."""

from pathlib import Path

import pytest

from tasks.app.resolve import composed
from tasks.common.errors import UserError
from tasks.papers.catalogue import PAPERS, TABLES, chosen, find
from tasks.papers.scales import overrides_at
from tasks.papers.show import size_of
from tasks.papers.table import EXPERIMENTS, swept_values

TRAINED = [table for table in TABLES.values() if table.parts]
OF_PAPERS = sorted(path.stem for path in (EXPERIMENTS / "paper").glob("*.yaml"))


def test_every_table_has_a_command_or_a_reason():
    assert sum(len(tables) for _, tables in PAPERS.values()) == len(TABLES), "a key is there twice"
    assert {key.split(".")[0] for key in TABLES} == set(PAPERS)
    for table in TABLES.values():
        assert table.commands() or table.note, table.key
        assert bool(table.parts) == bool(table.task) == bool(table.columns), table.key


@pytest.mark.parametrize("table", TRAINED, ids=lambda table: table.key)
def test_rows_have_their_figures_and_claims_their_rows(table):
    rows = table.rows()
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        assert len(row.printed) == len(table.columns), row
    for claim in table.claims:
        assert {claim.first, claim.second} <= set(names) and claim.relation in (">", "≈"), claim


def test_a_row_is_named_by_what_is_swept():
    rows = find("v2.figure6a").rows()
    assert [(row.name, row.overrides) for row in rows] == [
        ("linear", ("experiment=paper/v2_figure6a", "backbone.bottleneck=linear")),
        ("relu6", ("experiment=paper/v2_figure6a", "backbone.bottleneck=relu6")),
    ]
    assert find("senet.13").rows()[4].overrides[1] == "backbone.gated_stages=[2,3,4,5]"
    assert find("v2.figure6a").commands() == ["python -m tasks.classify -m experiment=paper/v2_figure6a"]


def test_the_papers_experiments_are_all_in_a_table():
    used = {part.experiment for table in TRAINED for part in table.parts}
    assert {f"paper/{name}" for name in OF_PAPERS} <= used


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_header_has_command_figures_and_whether_it_was_run(name):
    text = (EXPERIMENTS / "paper" / f"{name}.yaml").read_text()
    header = " ".join(line.removeprefix("# ") for line in text.split("defaults:")[0].splitlines())
    task = next(table.task for table in TRAINED if any(part.experiment == f"paper/{name}" for part in table.parts))
    sweeps = " -m" if swept_values(f"paper/{name}") else ""
    assert f"python -m tasks.{task}{sweeps} experiment=paper/{name}" in header
    assert "paper" in header.split(name, 1)[1]
    assert "ot yet run" in header


@pytest.mark.parametrize("key", ["senet.13", "v2.6", "v3.8"])
def test_a_table_composes_in_full_and_in_miniature(key, tmp_path):
    check_composes(find(key), find(key).rows()[-1], tmp_path)


def test_every_table_composes_in_full_and_in_miniature(tmp_path):
    for table in TRAINED:
        for part in table.parts:
            check_composes(table, part.rows()[-1], tmp_path)


def check_composes(table, row, tmp_path):
    """The row runs with the paper's recipe, and the same network with a miniature's."""
    composed(table.task, *row.overrides)
    for folder in ("cifar10-mini", "coco-bccd", "cityscapes-camvid"):
        (tmp_path / folder).mkdir(exist_ok=True)
    for scale in ("mini", "streets"):
        run = composed(table.task, *overrides_at(scale, table, row, tmp_path)).run
        assert run.trainer.max_epochs <= 20 and run.learner.optimizer["_target_"] == "torch.optim.AdamW"
        assert run.learner.backbone["_target_"] == composed(table.task, *row.overrides).run.learner.backbone["_target_"]


def test_table_7_of_v2_trains_on_voc_at_513_pixels(tmp_path):
    table = find("v2.7")
    (row,) = chosen(table, ["ResNet-101 ASPP"])
    run = composed("segment", *row.overrides).run
    assert run.data.dataset["_target_"] == "tasks.data.datasets.voc.Voc" and run.data.fit is None
    assert [run.data.augment["crop"][side] for side in ("height", "width")] == [513, 513]
    assert run.learner.optimizer["_target_"] == "torch.optim.SGD" and run.trainer.max_epochs == 120
    (tmp_path / "cityscapes-camvid").mkdir()
    mini = composed("segment", *overrides_at("mini", table, row, tmp_path)).run.data.dataset
    assert mini["_target_"] == "tasks.data.datasets.cityscapes.Cityscapes"


def test_image_sizes_shrink_with_the_miniature(tmp_path):
    (tmp_path / "cifar10-mini").mkdir()
    table = find("v1.7")
    words = [overrides_at("mini", table, row, tmp_path) for row in table.rows()]
    assert [word for each in words for word in each if word.startswith("image_size")] == [
        f"image_size=[{side},{side}]" for side in (32, 27, 23, 18)
    ]
    assert words[0][0] == "scale=classify_mini" and words[0][-1] == f"dataset.root={tmp_path / 'cifar10-mini'}"
    with pytest.raises(UserError, match=r"^scale=mini trains on .*coco-bccd, which is missing: root=<folder with"):
        overrides_at("mini", find("v2.6"), find("v2.6").rows()[0], tmp_path)


SIZES = {  # params and multiply-adds in millions, as built, beside those printed
    ("v1.4", "full"): (29.294, 4866.6),
    ("v1.4", "separable"): (4.232, 568.7),
    ("v2.6", "mobilenet_v2"): (4.337, 788.8),
    ("v2.7", "V2"): (2.114, 2740.7),
    ("v2.7", "V1 ASPP"): (11.145, 12760.9),
    ("v3.6", "V3-Small halved"): (1.786, 162.3),
    ("v3.7", "8 V3-L LR 128"): (1.507, 9367.0),
    ("senet.10", "16"): (28.072, 3860.5),
    ("cse.2", "mix"): (0.363, 81.4),
}


@pytest.mark.parametrize(("key", "name"), SIZES, ids=["-".join(names) for names in SIZES])
def test_sizes_as_built(key, name):
    table = find(key)
    (row,) = chosen(table, [name])
    size = size_of(table, row)
    params, madds = SIZES[key, name]
    assert size.params / 1e6 == pytest.approx(params, abs=6e-4)
    assert size.madds / 1e6 == pytest.approx(madds, rel=1e-3)


def test_wrong_names():
    with pytest.raises(UserError, match=r"^table=v3\.66: no such table; did you mean v3\.6"):
        find("v3.66")
    with pytest.raises(UserError, match=r"^table=v1\.1 is nothing to train: python -m backbones mobilenet_v1$"):
        chosen(find("v1.1"), None)
    with pytest.raises(UserError, match=r"^rows: v2\.6 has no row .3.; there are 1 \(mobilenet_v1\), 2"):
        chosen(find("v2.6"), ["3"])
    with pytest.raises(UserError, match=r"^rows: senet\.10 has no row '5'; there are 2, 4, 8, 16, 32, null$"):
        chosen(find("senet.10"), ["5"])
    assert [row.name for row in chosen(find("senet.10"), ["2"])] == ["2"]
    assert [row.name for row in chosen(find("v2.figure6b"), ["3", "bottleneck"])] == ["bottleneck", "none"]


def test_the_page_is_what_the_tables_say():
    from tasks.papers.page import page

    path = Path(__file__).parents[3] / "docs" / "papers.md"
    assert page() in path.read_text(), "python -m tasks.papers page"
