"""The rooms of the house: who may import whom, and what must not be imported early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {  # longest matching room decides; what is imported must start with one of these
    "backbones": ("torch", "torchvision", "backbones"),
    "backbones/__main__": ("torch", "rich", "backbones", "heads.classification"),
    "backbones/printing": ("rich", "backbones"),
    "backbones/table_file": ("yaml",),
    "backbones/timm_features": ("torch", "timm", "backbones"),
    "heads": ("torch", "torchvision.ops", "backbones.base", "backbones.blocks", "heads"),
    "heads/published": ("torch", "backbones", "heads"),
    "heads/__main__": ("torch", "rich", "heads", "backbones.terminal"),
    "heads/sizes": ("torch", "backbones.base", "heads"),
    "tasks/common/task": (
        "torch",
        "torchmetrics",
        "numpy",
        "PIL",
        "heads.base",
        "heads.boxes",
        "tasks.common.gallery",
        "tasks.common.distillation",
        "tasks.common.output",
    ),
    "tasks/common/legend": ("PIL",),
    "tasks/common/output": ("numpy", "PIL", "tasks.common.legend"),
    "tasks/common/distillation": ("torch",),
    "tasks/config/rules": ("omegaconf", "tasks.config.rules", "tasks.common.errors", "tasks.common.formats"),
    "tasks/app/foreign_keys": ("tasks.common.errors",),
    "tasks/common/origin": (),
    "tasks/config/proportion": ("omegaconf", "tasks.common.errors"),
    "tasks/config/amounts": ("tasks.common.errors",),
    "tasks/config/search": (
        "omegaconf",
        "tasks.common.errors",
        "tasks.config.heads",
        "tasks.config.amounts",
        "tasks.config.rules",
    ),
    "tasks/search/arguments": (
        "tasks.common.errors",
        "tasks.config.heads",
        "tasks.checkpoint.checkpoint",
        "tasks.config.search",
    ),
    "tasks/search/narrow/widths": ("backbones",),
    "tasks/search/block/locks": ("tasks.common.errors",),
    "tasks/segment/output": ("numpy", "PIL", "tasks.common.legend", "tasks.common.output", "tasks.segment.draw"),
    "tasks/detect/output": (
        "numpy",
        "tasks.common.legend",
        "tasks.common.output",
        "tasks.detect.draw",
        "tasks.detect.quality",
    ),
    "tasks/classify/output": ("numpy", "PIL", "tasks.common.legend", "tasks.common.output"),
    "tasks/predict/photos": ("rich", "tasks.common.cpu", "tasks.data.files.images", "tasks.common.errors"),
    "tasks/common/formats": (),
    "tasks/checkpoint/manifest": (
        "tasks.checkpoint.metadata",
        "tasks.common.errors",
        "tasks.checkpoint.inside",
        "tasks.checkpoint.manifest_rules",
        "tasks.config.stored",
    ),
    "tasks/checkpoint/inside": (),
    "tasks/checkpoint/manifest_rules": ("tasks.common.errors", "tasks.common.formats"),
    "tasks/config/targets": ("tasks.config.heads",),
    "tasks/config/stored": (
        "hydra",
        "omegaconf",
        "tasks.common.errors",
        "tasks.config.heads",
        "tasks.config.targets",
        "tasks.config.rules",
        "tasks.config.overrides",
    ),
    "tasks/deploy/runtimes": (
        "numpy",
        "torch",
        "onnxruntime",
        "openvino",
        "executorch",
        "tasks.deploy",
        "tasks.checkpoint.manifest",
        "tasks.common.errors",
    ),
    "tasks/deploy/quantise": (
        "numpy",
        "onnx",
        "onnxruntime",
        "openvino",
        "nncf",
        "tasks.deploy.quantise",
        "tasks.deploy.runtimes",
        "tasks.common.errors",
    ),
    "tasks/deploy/decode": ("numpy", "PIL", "onnxruntime", "openvino"),
    "tasks/common/gallery": ("torch", "PIL"),
    "tasks/engine/loss_weights": ("torch",),
    "tasks/common/class_weights": ("torch",),
    "tasks/engine/learner": (
        "torch",
        "torchmetrics",
        "lightning",
        "tasks.common.task",
        "tasks.engine.loss_weights",
        "backbones.base",
        "backbones.norms",
        "backbones.running_statistics",
        "heads.boxes",
    ),
    "tasks/segment": (
        "torch",
        "torchmetrics",
        "numpy",
        "PIL",
        "cv2",
        "heads",
        "backbones.base",
        "tasks.common.task",
        "tasks.common.distillation",
        "tasks.common.output",
        "tasks.common.class_weights",
        "tasks.common.gallery",
        "tasks.segment",
    ),
    "tasks/segment/__main__": ("tasks.app.cli",),
    "tasks/classify": (
        "torch",
        "torchmetrics",
        "numpy",
        "PIL",
        "heads",
        "backbones.base",
        "tasks.common.task",
        "tasks.common.distillation",
        "tasks.common.output",
        "tasks.common.class_weights",
        "tasks.common.gallery",
        "tasks.classify",
    ),
    "tasks/classify/__main__": ("tasks.app.cli",),
    "tasks/common/annotations": ("numpy",),
    "tasks/detect": (
        "torch",
        "torchvision.ops",
        "torchmetrics",
        "numpy",
        "PIL",
        "pycocotools",
        "heads",
        "backbones.base",
        "tasks.common.task",
        "tasks.common.distillation",
        "tasks.common.legend",
        "tasks.common.output",
        "tasks.common.gallery",
        "tasks.common.annotations",
        "tasks.common.errors",
        "tasks.detect",
    ),
    "tasks/detect/__main__": ("tasks.app.cli",),
    "tasks/detect/score": ("rich", "numpy", "tasks.common.console", "tasks.common.errors", "tasks.detect"),
    "tasks/detect/results": (
        "numpy",
        "tasks.common.errors",
        "tasks.detect.arrange",
        "tasks.data.files.ids",
        "tasks.data.files.json_rows",
    ),
    "tasks/detect/truths": (
        "numpy",
        "tasks.common.errors",
        "tasks.detect.arrange",
        "tasks.data.files.coco_boxes",
        "tasks.data.files.coco_json",
        "tasks.data.files.ids",
        "tasks.data.files.json_rows",
    ),
    "tasks/data": (
        "torch",
        "lightning",
        "albumentations",
        "numpy",
        "PIL",
        "cv2",
        "tasks.data",
        "tasks.common.annotations",
        "tasks.common.errors",
        "tasks.common.cpu",
    ),
}
HYDRA = {
    "tasks/app/added_keys",
    "tasks/app/cli",
    "tasks/app/folders",
    "tasks/app/jobs",
    "tasks/app/validate",
    "tasks/engine/build",
    "tasks/app/runner",
    "tasks/engine/train",
    "tasks/predict/checkpoint",
    "tasks/checkpoint/checkpoint",
    "tasks/engine/weights",
    "tasks/app/sweep",
    "tasks/engine/teacher",
    "tasks/config/heads",
    "tasks/config/stored",
    "tasks/config/overrides",
    "tasks/multitask/prune",
    "tasks/multitask/latency",
    "tasks/deploy/benchmark",
    "tasks/deploy/bench/candidates",
    "tasks/deploy/bench/of_network",
    "tasks/deploy/describe",
    "tasks/deploy/export",
    "tasks/deploy/int8",
    "tasks/deploy/predicting",
    "tasks/deploy/prove",
    "tasks/deploy/__main__",
    "tasks/app/budget",
    "tasks/config/proportion",
    "tasks/config/rules/__init__",
    "tasks/config/rules/nodes",
    "tasks/config/rules/places",
    "tasks/config/rules/run",
    "tasks/config/rules/values",
    "tasks/search/block/command",
    "tasks/search/block/candidates",
    "tasks/search/block/identity",
    "tasks/latency/meters",
    "tasks/search/found",
    "tasks/search/latency_check",
    "tasks/search/narrow/command",
    "tasks/search/narrow/netadapt",
    "tasks/search/networks",
    "tasks/search/proxy",
    "tasks/search/rivals",
    "tasks/search/search",
    "tasks/config/search",
    "tasks/search/narrow/trials",
    "tasks/search/width",
}


def imports(path: Path) -> set[str]:
    """All modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}


FILES = [path for room in ("backbones", "heads", "tasks") for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows(path):
    name = str(path.relative_to(ROOT).with_suffix(""))
    rooms = [room for room in ALLOWED if name == room or name.startswith(room + "/")]
    found = imports(path)
    if name not in HYDRA:
        assert not any(module.split(".")[0] in ("hydra", "omegaconf") for module in found)
    if rooms:
        allowed = ALLOWED[max(rooms, key=len)]
        wrong = {m for m in found if not any(m == a or m.startswith(a + ".") for a in allowed)}
        assert not wrong


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
