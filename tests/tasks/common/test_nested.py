"""Dotted keys of nested dictionaries."""

from tasks.common.nested import leaves


def test_lists_and_empty_mappings_are_values():
    tree = {"a": {"b": 1, "c": {"d": [2]}, "e": {}}, "f": None}
    assert dict(leaves(tree)) == {"a.b": 1, "a.c.d": [2], "a.e": {}, "f": None}
    assert dict(leaves({"x": {"y": 0}}, "above.")) == {"above.x.y": 0} and not dict(leaves({}))
