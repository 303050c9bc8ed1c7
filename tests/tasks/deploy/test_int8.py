"""What int8 does to a network that it is made of: nothing."""

from types import SimpleNamespace

from tasks.deploy import int8
from tests.tasks.deploy.conftest import network


def test_scoring_for_mixed_int8_leaves_the_threshold_of_the_checkpoint(monkeypatch, tmp_path):
    learner, _ = network("heads=[detect]")
    output, seen = learner.task("detect").output, []
    output.threshold = 0.5

    def scored(_trainer, scored_learner, _data):
        seen.append(scored_learner.task("detect").output)
        seen[-1].threshold = 0.1 * len(seen)
        return {key: 1.0 - 0.2 * (len(seen) > 1) for key in learner.score_keys}

    monkeypatch.setattr(int8, "scored", scored)
    monkeypatch.setattr(int8, "open_runner", lambda *_: SimpleNamespace())
    manifest = {"outputs": "raw", "tasks": {"detect": {"outputs": {}}}}
    gain = int8.gain_of(learner, None, None, manifest)
    assert round(gain(tmp_path / "model.tflite"), 6) == -0.2
    assert len(seen) == 2 and seen[0] is seen[1], "both sides are scored by the same tasks"
    assert output.threshold == 0.5
