import pytest

from tasks.common.layer_graph import Graph, Node


def chain(*nodes):
    """An image and nodes each of which reads the one before it, unless it says what it reads."""
    nodes = (Node("image", "input", ()), *nodes)
    names = [node.name for node in nodes]
    return [
        node._replace(inputs=node.inputs or tuple(names[max(0, place - 1) : place])) for place, node in enumerate(nodes)
    ]


BLOCK = chain(  # an inverted residual with squeeze-and-excite between a stem and two predictors
    Node("normalise", "mul", ()),
    Node("stem", "conv", ()),
    Node("expand", "conv", ()),
    Node("depthwise", "conv", (), depthwise=True),
    Node("mean", "pool", ()),
    Node("reduce", "conv", ()),
    Node("relu", "other", ()),
    Node("widen", "conv", ()),
    Node("gate", "mul", ("widen", "depthwise")),
    Node("project", "conv", ()),
    Node("sum", "add", ("stem", "project")),
    Node("classify", "conv", ()),
    Node("logits", "other", (), outputs=("logits",)),
    Node("locate", "conv", ("sum",)),
    Node("decode", "mul", ("locate", "logits"), outputs=("boxes",)),
)


def test_kinds():
    assert {layer.name: layer.kind for layer in Graph(BLOCK).layers()} == {
        "stem": "first",
        "expand": "other",
        "depthwise": "depthwise",
        "reduce": "excite",
        "widen": "excite",
        "gate": "excite",
        "project": "other",
        "sum": "other",
        "classify": "last",
        "locate": "boxes",
    }


def test_what_lies_before_the_first_and_behind_the_last_layers_is_outside():
    graph = Graph(BLOCK)
    assert set(graph.nodes) - set(graph.core) == {"image", "normalise", "logits", "decode"}
    assert graph.first == {"stem"} and graph.last == {"classify", "locate"}


@pytest.mark.parametrize(
    ("output", "kind"), [("logits", "last"), ("offsets", "boxes"), ("detect_boxes", "boxes"), ("labels", "last")]
)
def test_the_last_layers_kind_follows_from_the_outputs_name(output, kind):
    nodes = chain(Node("stem", "conv", ()), Node("end", "gemm", ()), Node("shaped", "other", (), outputs=(output,)))
    assert Graph(nodes).layers()[-1].kind == kind


def test_a_pooling_before_the_classifier_is_no_gate():
    nodes = chain(
        Node("stem", "conv", ()), Node("mean", "pool", ()), Node("hidden", "gemm", ()), Node("end", "gemm", ())
    )
    assert [layer.kind for layer in Graph(nodes).layers()] == ["first", "other", "last"]


def test_a_product_of_two_maps_far_from_a_pooling_is_no_gate():
    far = chain(
        Node("stem", "conv", ()),
        Node("mean", "pool", ()),
        *(Node(f"conv{number}", "conv", ()) for number in range(3)),
        Node("product", "mul", ("conv2", "stem")),
        Node("end", "conv", ()),
    )
    assert "excite" not in {layer.kind for layer in Graph(far).layers()}


def test_what_is_computed_of_constants_alone_is_none_of_the_graph():
    nodes = chain(Node("stem", "conv", ()), Node("bias", "other", ("weights",)), Node("added", "add", ("stem", "bias")))
    assert set(Graph([*nodes, Node("end", "conv", ("added",))]).nodes) == {"image", "stem", "added", "end"}
    assert [layer.name for layer in Graph([*nodes, Node("end", "conv", ("added",))]).layers()] == ["stem", "end"]


def test_a_product_of_two_computed_tensors_is_no_layer():
    """As suppression in a graph has them; in int8 they would lose boxes."""
    helper = pytest.importorskip("onnx").helper
    from tasks.deploy.quantise.onnx_graph import nodes_of

    kinds = [("image", [1, 4]), ("y", [1, 4]), ("z", [1, 4])]
    image, y, z = (helper.make_tensor_value_info(name, 1, shape) for name, shape in kinds)
    weight = helper.make_tensor("weight", 1, [4, 4], [0.5] * 16)
    layer = helper.make_node("MatMul", ["image", "weight"], ["y"], name="layer")
    product = helper.make_node("MatMul", ["y", "image"], ["z"], name="product")
    graph = helper.make_graph([layer, product], "graph", [image], [y, z], [weight])
    assert {node.name: node.operator for node in nodes_of(graph)} == {
        "image": "input",
        "layer": "gemm",
        "product": "other",
    }
