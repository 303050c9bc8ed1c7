"""search=width: the widest network within a target."""

from backbones.table_file import read_table

SEARCH = (
    *("search=width", "dataset=folders", "backbone=mobilenet_v3_small", "wants.skip_strides=2", "head.hidden=0"),
    *("data.crop.size=32", "data.fit.resize=36", "data.fit.crop=32", "data.augment={}", "trainer.accelerator=cpu"),
)


def test_the_widest_that_fits_is_found_for_each_size(command, folders, tmp_path):
    search = (*SEARCH, f"dataset.root={folders}", f"hydra.run.dir={tmp_path / 'out'}")
    result = command("search", *search, "target.params=0.5x", "search.sizes=[[32,32],[64,64]]", "search.step=0.25")
    assert result.status == 0, result.err
    assert (
        "found     backbone.width=0.6 at 64×64" in result.out
    )  # params do not know the size: the larger is worth more
    assert read_table(tmp_path / "out" / "found.yaml")["origin"].startswith("MobileNetV3, width 0.6, for ")
    result = command("search", *search, "target.madds=1x", "search.widest=1.1", "overwrite=true")
    assert result.status == 0 and "backbone.width=1 at 32×32" in result.out


def test_what_fits_nowhere_is_refused_with_the_smallest_cost(command, folders):
    search = (*SEARCH, f"dataset.root={folders}")
    result = command("search", *search, "target.params=1k")
    assert result.status == 2 and "width 0.1 costs" in result.err and "above 1k params" in result.err
    result = command("search", *search, "target.madds=1M", "backbone=mobilenet_v4_conv_small")
    assert result.status == 2 and "no chain of inverted residuals" in result.err
    result = command("search", *search, "target.madds=1M", "search.sizes=[32,32]")
    assert result.status == 2 and "search.sizes=[32, 32] is not a list of [height, width]" in result.err
