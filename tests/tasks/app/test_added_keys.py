"""`+key=value`: what nothing reads is refused, what something reads is not."""

import pytest

from tasks.app.added_keys import drop, leaves, reads, unknown

CONFIG = {
    "seed": 0,
    "cpu": {"bind_threads": True},
    "data": {"batch_size": 16, "augment": {}, "fit": None},
    "task": {"_target_": "tasks.Task", "loss": {"stride": 1}},
    "logger": None,
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("foo", 1, "nothing reads this key; there are seed, cpu, data, task, logger"),
        ("cpu.bind_thread", 1, "nothing reads this key (did you mean bind_threads?); there are bind_threads"),
        ("dat.foo", 1, "nothing reads this key (did you mean data?); there are seed, cpu, data, task, logger"),
        ("seed.foo", 1, "nothing reads this key"),
        ("foo", {"_target_": "torch.nn.ReLU", "a": {"b": 1}}, "nothing reads this key; there are seed, "),
        ("task.loss.reduction", "sum", ""),
        ("task", {"mirror": True}, ""),
        ("data.fit._target_", "tasks.Stretch", ""),
        ("data.augment.turn", {"_target_": "albumentations.Rotate"}, ""),
        ("datasets.town.root", "/data", ""),
        ("logger", {"_target_": "lightning.Logger"}, ""),
    ],
)
def test_what_nothing_reads_is_found(key, value, message):
    wrong = [unknown(CONFIG, leaf) for leaf in leaves(key, value) if not reads(CONFIG, leaf)]
    assert bool(wrong) == bool(message) and all(line.startswith(message) for line in wrong)


def test_what_was_added_is_not_there_to_be_read():
    config = {"a": {"b": 1, "c": 2}, "x": {"y": {"_target_": "z"}}}
    for key in ("a.b", "x.y._target_", "gone.key"):
        drop(config, key.split("."))
    assert config == {"a": {"c": 2}}


@pytest.mark.parametrize("word", ["+data.foo=2", "++data.bacth_size=2"])
def test_the_command_refuses(command, tmp_path, word):
    result = command("segment", "++data.batch_size=3", word, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and result.out == ""
    assert (
        result.err.startswith(f"error: {word}: nothing reads this key") and "; there are global_batch, " in result.err
    )
    assert len(result.err.splitlines()) == 1 and not (tmp_path / "run").exists()
