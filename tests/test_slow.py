"""slow.txt names tests that are there."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_line_is_a_test_of_its_file():
    head, *lines = (ROOT / "tests" / "slow.txt").read_text().splitlines()
    assert head.startswith("# ") and lines == sorted(set(lines))
    for line in lines:
        path, name = line.split("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(), line
