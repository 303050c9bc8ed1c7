"""The rooms of the house, top to bottom: who may import whom, and what must not be imported early."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {  # top to bottom: each imports rooms that stand below it, and these libraries
    "tasks": "tasks.app tasks.common",
    "tasks.compare": "tasks.multitask tasks.report tasks.config tasks.common hydra numpy matplotlib",
    "tasks.papers": "tasks.app tasks.multitask tasks.engine tasks.config tasks.common heads "
    "backbones.published.row torch yaml hydra",
    "tasks.pack": "tasks.app tasks.doctor tasks.engine tasks.data tasks.config tasks.common "
    "backbones.file_lock hydra rich",
    "tasks.doctor": "tasks.app tasks.detect tasks.segment tasks.engine tasks.data tasks.config tasks.common heads "
    "backbones torch hydra omegaconf rich numpy PIL",
    "tasks.publish": "tasks.checkpoint tasks.config tasks.common backbones torch yaml",
    "tasks.lint": "tasks.deploy tasks.engine tasks.checkpoint tasks.common backbones.weight_files "
    "torch numpy onnx onnxruntime executorch ai_edge_litert",
    "tasks.app": "tasks backbones hydra omegaconf lightning rich numpy PIL",
    "tasks.search": "tasks.latency tasks.deploy tasks.predict tasks.engine tasks.checkpoint tasks.data.loading "
    "tasks.config tasks.common heads backbones torch lightning yaml optuna numpy matplotlib",
    "tasks.latency": "tasks.deploy tasks.engine tasks.config tasks.common heads backbones torch numpy onnx "
    "onnxruntime onnxscript",
    "tasks.deploy": "tasks.page tasks.predict tasks.engine tasks.checkpoint tasks.data "
    "tasks.config tasks.common heads backbones torch numpy PIL rich onnx onnxruntime onnxscript "
    "openvino nncf executorch litert_torch ai_edge_litert ai_edge_quantizer ncnn pnnx coremltools",
    "tasks.page": "tasks.common",
    "tasks.multitask": "tasks.engine tasks.checkpoint tasks.data.loading tasks.config tasks.common backbones torch",
    "tasks.predict": "tasks.engine tasks.checkpoint tasks.data.transforms tasks.data.files tasks.config "
    "tasks.common torch rich",
    "tasks.engine": "tasks.report tasks.checkpoint tasks.data.loading tasks.data.transforms "
    "tasks.config tasks.common heads backbones torch torchmetrics torchvision lightning timm rich hydra torchao",
    "tasks.checkpoint": "tasks.config tasks.common backbones torch lightning",
    "tasks.detect": "tasks.data.files tasks.common heads backbones torch torchvision torchmetrics pycocotools numpy "
    "PIL matplotlib",
    "tasks.segment": "tasks.common heads backbones torch torchmetrics numpy PIL cv2",
    "tasks.classify": "tasks.common heads backbones torch torchmetrics numpy PIL",
    "tasks.multilabel": "tasks.common heads backbones torch torchmetrics numpy PIL",
    "tasks.data.inspect": "tasks.data.loading tasks.data.datasets tasks.data.files tasks.common numpy PIL",
    "tasks.data.loading": "tasks.data.datasets tasks.data.transforms tasks.data.files tasks.config "
    "tasks.common torch lightning albumentations numpy cv2",
    "tasks.data.packed": "tasks.data.files tasks.common numpy PIL fsspec aiohttp filelock",
    "tasks.data.streets": "tasks.data.datasets tasks.data.files tasks.common numpy cv2 PIL",
    "tasks.data.recognise": "tasks.data.datasets tasks.data.files tasks.common numpy",
    "tasks.data.datasets": "tasks.data.files tasks.common numpy",
    "tasks.data.transforms": "tasks.data.files tasks.common torch albumentations numpy PIL cv2",
    "tasks.data.files": "tasks.common numpy PIL cv2 scipy pycocotools yaml",
    "tasks.data": "",
    "tasks.report": "tasks.common yaml",
    "tasks.config": "tasks.common yaml",
    "tasks.common": "heads.base heads.boxes backbones.terminal torch torchmetrics numpy PIL matplotlib rich",
    "heads": "backbones.base backbones.blocks torch torchvision.ops",
    "backbones": "torch torchvision",
}
FILES = {  # what single files may import beside, or (with "only") instead
    "backbones.command": "rich heads.classification",
    "backbones.errors": "only",
    "backbones.file_lock": "only",
    "backbones.formula": "rich",
    "backbones.logs": "only",
    "backbones.manifold": "matplotlib",
    "backbones.options": "only",
    "backbones.printing": "rich",
    "backbones.published.weights": "only",
    "backbones.safetensors_file": "safetensors",
    "backbones.sources": "huggingface_hub",
    "backbones.table_file": "only yaml",
    "backbones.terminal": "only",
    "backbones.timm_features": "timm",
    "backbones.weight_files": "only",
    "backbones.weights_table": "only rich backbones.options backbones.published.weights",
    "heads.__main__": "rich backbones.options backbones.printing backbones.published.shapes backbones.terminal",
    "heads.published.detection": "backbones",
    "heads.published.row": "backbones",
    "heads.published.segmentation": "backbones",
    "tasks.app.print_keys": "yaml",
    "tasks.data.loading.on_device": "torchvision.io",
    "tasks.data.files.cache": "backbones.file_lock",
    "tasks.data.loading.disk.folder": "backbones.file_lock",
    "tasks.engine.loggers.mlflow": "mlflow yaml",
    "tasks.engine.loggers.needs": "only tasks.common.errors tasks.config.tree",
    "tasks.engine.loggers.tensorboard": "numpy PIL yaml",
    "tasks.engine.loggers.wandb": "wandb",
    "tasks.multitask.compare": "tasks.app",  # a command
    "tasks.predict.__main__": "tasks.deploy tasks.multitask.arguments",  # a command
    "tasks.deploy.decode": "only numpy PIL onnxruntime openvino ai_edge_litert ncnn",  # it ships, and runs by itself
    "tasks.search.shared": "sqlalchemy",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


CODE = {
    module_of(path): path for room in ("backbones", "heads", "tasks") for path in sorted((ROOT / room).rglob("*.py"))
}


def room_of(module: str) -> str:
    """The room that a module stands in: the longest name that it begins with."""
    return max((room for room in ROOMS if within(module, room)), key=len)


def within(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def imports(path: Path) -> set[str]:
    """All modules that a file imports, wherever in the file, without Python's own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package_of(path, node.level), *([node.module] if node.module else [])])
            whole = [f"{base}.{alias.name}" for alias in node.names]
            found.update(name if name in CODE or not node.module else base for name in whole)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.update(word.value for word in node.args if isinstance(word, ast.Constant))
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}


def package_of(path: Path, level: int) -> list[str]:
    """The package that a relative import of this many dots begins at; none for an absolute one."""
    folders = path.relative_to(ROOT).parent.parts
    return list(folders[: len(folders) - level + 1]) if level else []


def wrong_arrows(module: str, imported: Iterable[str]) -> set[str]:
    """What a module must not import."""
    own = FILES.get(module, "").split()
    room = room_of(module)
    allowed = own[1:] if own[:1] == ["only"] else [room, *ROOMS[room].split(), *own]
    if module.endswith(".__main__") and module.startswith("tasks."):  # a command
        allowed = [*allowed, "tasks.app"]
    return {name for name in imported if not any(within(name, other) for other in allowed)}


def knot(arrows: Mapping[str, set[str]]) -> list[str]:
    """Rooms that import each other in a circle; none if there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows_of_rooms(imported: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Which rooms the modules of each room import; commands, which may start the application, are left out."""
    arrows: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module, names in imported.items():
        if not module.endswith(".__main__") and module != "backbones.command":
            rooms = {room_of(name) for name in names if name.split(".")[0] in ("backbones", "heads", "tasks")}
            arrows[room_of(module)] |= rooms - {room_of(module)}
    return arrows


@pytest.mark.parametrize("module", CODE)
def test_arrows(module):
    assert not wrong_arrows(module, imports(CODE[module]))


def test_every_rule_points_down():
    order = list(ROOMS)
    for place, (room, allowed) in enumerate(ROOMS.items()):
        for name in allowed.split():
            if name.split(".")[0] in ("backbones", "heads", "tasks") and name != "tasks":
                assert order.index(room_of(name)) > place, f"{room} -> {name} points up"


def test_every_room_is_seen():
    packages = {module for module, path in CODE.items() if path.name == "__init__.py"}
    rooms = {name for name in packages if name.count(".") == (2 if within(name, "tasks.data") else 1)}
    assert rooms - {"backbones.published", "heads.published"} == set(ROOMS) - {
        "tasks",
        "tasks.data",
        "heads",
        "backbones",
    }
    assert set(FILES) <= set(CODE)


def test_no_knots():
    assert not knot(arrows_of_rooms({module: imports(path) for module, path in CODE.items()}))


def test_the_rules_can_fail():
    assert wrong_arrows("tasks.common.task", {"tasks.engine.learner"}) == {"tasks.engine.learner"}
    assert wrong_arrows("tasks.segment.task", {"omegaconf", "tasks.data.files.boxes"}) != set()
    assert not wrong_arrows("tasks.segment.__main__", {"tasks.app.cli"})
    assert wrong_arrows("backbones.terminal", {"torch"}) == {"torch"}
    assert package_of(ROOT / "tasks/common/errors.py", 2) == ["tasks"], "from .. import engine"
    circle = arrows_of_rooms(
        {"tasks.engine.train": {"tasks.deploy.parity_check"}, "tasks.deploy.export": {"tasks.engine.prepare"}}
    )
    assert {"tasks.engine", "tasks.deploy"} <= set(knot(circle))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--cfg", "job"], ["trainer.max_epoch=3"], ["dataset=cityscapes", "dataset.root=/nowhere"]],
)
def test_nothing_heavy_before_the_work(arguments):
    code = (
        "import sys; from tasks.app.cli import main\n"
        "try: main('segment')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'albumentations', 'torchvision', 'cv2'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
