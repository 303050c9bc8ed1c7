"""What a configuration from an untrusted file may build: each class by its exact name, and only at keys as in conf/.

Nothing is imported to decide: a name that is not listed here is refused, whatever a module of that name contains.
tests/test_config.py compares the lists with conf/ and with the object at each name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.common.errors import UserError
from tasks.common.plugins import is_plugged, plugins
from tasks.common.task_info import infos
from tasks.config.tree import OUTPUT_DIR, Tree

# Prefixes that a user may name on the command line:
TARGETS = ("tasks.", "heads.", "backbones.", "torch.optim.", "torch.nn.", "lightning.", "albumentations.")

OWN = ("backbone", "head", "task", "dataset")  # keys where a file may have a plug-in's class (tasks/common/plugins.py)

RENAMED = {  # old names of modules and classes, in checkpoints and in commands that users kept
    "backbones.mobilenet_v4.MobileNetV4ConvSmall": "backbones.mobilenet_v4.MobileNetV4Conv",  # small by default
    "backbones.se_resnet.SEResNet50": "backbones.se_resnet.SEResNet",  # depth 50 by default
    "lightning.pytorch.loggers.TensorBoardLogger": "tasks.engine.loggers.tensorboard.TensorBoard",
    "backbones.mobilenet_v3": "backbones.mobilenet_v3_variants",  # which takes the ablations that its class once took
    "tasks.balance": "tasks.engine.loss_weights",
    "tasks.optimizers": "tasks.engine.optimizers",
    "tasks.schedules": "tasks.engine.schedules",
    "tasks.data.cifar": "tasks.data.datasets.cifar",
    "tasks.data.cityscapes": "tasks.data.datasets.cityscapes",
    "tasks.data.coco": "tasks.data.datasets.coco",
    "tasks.data.folders": "tasks.data.datasets.folders",
    "tasks.data.imagenet": "tasks.data.datasets.imagenet",
    "tasks.data.voc": "tasks.data.datasets.voc",
    "tasks.data.mixture": "tasks.data.loading.mixture",
    "tasks.data.box_transforms": "tasks.data.transforms.box_transforms",
    "tasks.data.crop": "tasks.data.transforms.crop",
    "tasks.data.letterbox": "tasks.data.transforms.letterbox",
    "tasks.data.policies": "tasks.data.transforms.policies",
    "tasks.data.resize": "tasks.data.transforms.resize",
}

RENAMED_ARGUMENTS = {  # by class; a mapping under the old name is another key of today
    "tasks.engine.optimizers.RMSpropTF": {"decay": "alpha"},  # optimizer.decay: which parameters decay
}

OF_ALBUMENTATIONS = """
AdditiveNoise AdvancedBlur Affine AtLeastOneBBoxRandomCrop AutoContrast BBoxSafeRandomCrop Blur CLAHE CenterCrop
ChannelDropout ChannelShuffle ChromaticAberration CoarseDropout ColorJitter Compose ConstrainedCoarseDropout Crop
CropAndPad CropNonEmptyMaskIfExists D4 Defocus Downscale ElasticTransform Emboss Equalize Erasing FancyPCA FromFloat
GaussNoise GaussianBlur GlassBlur GridDistortion GridDropout GridElasticDeform HEStain HorizontalFlip
HueSaturationValue ISONoise Illumination ImageCompression InvertImg LongestMaxSize MaskDropout MedianBlur
Morphological Mosaic MotionBlur MultiplicativeNoise NoOp Normalize OneOf OneOrOther OpticalDistortion Pad PadIfNeeded
Perspective PiecewiseAffine PixelDropout PlanckianJitter PlasmaBrightnessContrast PlasmaShadow Posterize RGBShift
RandomBrightnessContrast RandomCrop RandomCropFromBorders RandomCropNearBBox RandomFog RandomGamma RandomGravel
RandomGridShuffle RandomOrder RandomRain RandomResizedCrop RandomRotate90 RandomScale RandomShadow
RandomSizedBBoxSafeCrop RandomSizedCrop RandomSnow RandomSunFlare RandomToneCurve Resize RingingOvershoot Rotate
SafeRotate SaltAndPepper SelectiveChannelTransform Sequential Sharpen ShiftScaleRotate ShotNoise SmallestMaxSize
Solarize SomeOf Spatter SquareSymmetry Superpixels ThinPlateSpline ToFloat ToGray ToRGB ToSepia Transpose UnsharpMask
VerticalFlip XYMasking ZoomBlur
"""  # without those that read files or call their arguments: FDA, Lambda, TextImage, …
TRANSFORMS = frozenset(f"albumentations.{name}" for name in OF_ALBUMENTATIONS.split())

ALLOWED: dict[str, frozenset[str]] = {  # by configuration key, without the head's name; `task`: TaskInfo.builds
    "backbone": frozenset(
        {
            "backbones.efficientnet_lite.EfficientNetLite0",
            "backbones.mnasnet.MNASNet",
            "backbones.mobilenet_v1.MobileNetV1",
            "backbones.mobilenet_v2.MobileNetV2",
            "backbones.mobilenet_v2_cse.MobileNetV2CSE",
            "backbones.mobilenet_v3_variants.MobileNetV3",
            "backbones.mobilenet_v4.MobileNetV4Conv",
            "backbones.se_resnet.SEResNet",
            "backbones.table.TableBackbone",
            "backbones.timm_features.TimmFeatures",
        }
    ),
    "head": frozenset(
        {
            "heads.anchors.listed",
            "heads.anchors.paper",
            "heads.anchors.torchvision",
            "heads.aspp.DeepLabV3",
            "heads.classification.ClassificationHead",
            "heads.fpn.LiteFPN",
            "heads.lraspp.LRASPP",
            "heads.lraspp.RASPP",
            "heads.ssdlite.SSDLite",
        }
    ),
    "balance": frozenset(
        {
            "tasks.engine.loss_weights.FixedWeights",
            "tasks.engine.loss_weights.GradNorm",
            "tasks.engine.loss_weights.Uncertainty",
        }
    ),
    "dataset": frozenset(
        {
            "tasks.data.datasets.ade20k.ADE20K",
            "tasks.data.datasets.cifar.CIFAR",
            "tasks.data.datasets.cityscapes.Cityscapes",
            "tasks.data.datasets.coco.Coco",
            "tasks.data.datasets.coco.CocoJson",
            "tasks.data.datasets.folders.Folders",
            "tasks.data.datasets.imagenet.ImageNet",
            "tasks.data.datasets.imagenet.Imagenette",
            "tasks.data.datasets.labelme.Labelme",
            "tasks.data.datasets.masks.MaskFolders",
            "tasks.data.loading.mixture.Mixture",
            "tasks.data.packed.dataset.Packed",
            "tasks.data.recognise.auto.Auto",
            "tasks.data.streets.dataset.Streets",
            "tasks.data.datasets.table.Table",
            "tasks.data.datasets.voc.Voc",
            "tasks.data.datasets.yolo.Yolo",
        }
    ),
    "data": TRANSFORMS
    | {
        "tasks.data.transforms.box_transforms.RandomIoUCrop",
        "tasks.data.transforms.box_transforms.RandomZoomOut",
        "tasks.data.transforms.class_crop.ClassUniformCrop",
        "tasks.data.transforms.class_mix.ClassMix",
        "tasks.data.transforms.copy_paste.CopyPaste",
        "tasks.data.transforms.crop.RandomResizedCrop",
        "tasks.data.transforms.letterbox.Letterbox",
        "tasks.data.transforms.letterbox.Stretch",
        "tasks.data.transforms.policies.rand_augment",
        "tasks.data.transforms.policies.trivial_augment",
        "tasks.data.transforms.resize.ResizeCentreCrop",
    },
    "optimizer": frozenset(
        {
            "tasks.engine.optimizers.RMSpropTF",
            *(f"torch.optim.{name}" for name in ("Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")),
        }
    ),
    "scheduler": frozenset(
        {
            "tasks.engine.schedules.constant",
            "tasks.engine.schedules.cosine",
            "tasks.engine.schedules.exponential",
            "tasks.engine.schedules.poly",
            "tasks.engine.schedules.step",
        }
    ),
    "trainer": frozenset({"lightning.Trainer"}),
    "logger": frozenset(
        {
            "lightning.pytorch.loggers.CSVLogger",
            "tasks.engine.loggers.mlflow.MLflow",
            "tasks.engine.loggers.tensorboard.TensorBoard",
            "tasks.engine.loggers.wandb.Wandb",
        }
    ),
}

INTERPOLATIONS: dict[str, frozenset[str]] = {  # by first key of the configuration: interpolations in conf/
    "backbone": frozenset({"${wants.output_stride}", "${wants.skip_strides}", "${wants.tail}"}),
    "data": frozenset({"${image_size}"}),
    "balance": frozenset({f"${{loss_weights.{head}}}" for head in ("segment", "detect", "classify", "multilabel")}),
    "dataset": frozenset({"${targets}", "${datasets}"}),
    "datasets": frozenset({"${targets}"}),
    "task": frozenset({"${metric}"}),
    "scheduler": frozenset({"${trainer.max_epochs}"}),
    "logger": frozenset({OUTPUT_DIR}),
}
OF_TRAINER = """
max_epochs min_epochs max_steps min_steps max_time accelerator devices num_nodes strategy precision
accumulate_grad_batches gradient_clip_val gradient_clip_algorithm check_val_every_n_epoch val_check_interval
limit_train_batches limit_val_batches limit_test_batches limit_predict_batches overfit_batches fast_dev_run
log_every_n_steps num_sanity_val_steps deterministic benchmark inference_mode sync_batchnorm detect_anomaly
"""  # arguments of lightning.Trainer that name no file, class or logger
TRAINER = frozenset(OF_TRAINER.split())


def renamed(node: Any) -> Any:
    """Nested dicts and lists with every `_target_`, and every argument of RENAMED_ARGUMENTS, under its current name."""
    if isinstance(node, dict):
        found = {key: name_of_today(value) if key == "_target_" else renamed(value) for key, value in node.items()}
        for old, new in RENAMED_ARGUMENTS.get(str(found.get("_target_")), {}).items():
            if old in found and not isinstance(found[old], Mapping):
                found[new] = found.pop(old)
        return found
    return [renamed(value) for value in node] if isinstance(node, list) else node


def name_of_today(target: Any) -> Any:
    """The current name of a `_target_`; unchanged if RENAMED does not list it."""
    if not isinstance(target, str):
        return target
    module, _, name = target.rpartition(".")
    return RENAMED.get(target) or (f"{RENAMED.get(module, module)}.{name}" if module else target)


def may_build(slot: str, target: str) -> bool:
    """Whether a file's configuration may build a class at a place, given by slot_of()."""
    allowed = ALLOWED.get(slot, frozenset())
    if slot == "task":
        allowed = frozenset(target for info in infos().values() for own in info.builds.values() for target in own)
    return target in allowed or (slot in OWN and is_plugged(target))


def slot_of(path: tuple[str, ...]) -> str:
    """The key of ALLOWED that applies to a place of the configuration."""
    first = path[1] if len(path) > 1 and path[0] in infos() else path[0] if path else ""
    return "dataset" if first == "datasets" else first


def check_targets(tree: Tree) -> None:
    """Check each `_target_` by its prefix. For configurations from files, `may_build` is the guard.

    Raises:
        UserError: for a `_target_` outside TARGETS and the named plug-ins.
    """
    for path, target in targets(tree):
        if not target.startswith(TARGETS) and not is_plugged(target):
            known = ", ".join([*(prefix[:-1] for prefix in TARGETS), *plugins()])
            raise UserError(f"{path}: {target} is outside {known}; plugins=[{target.split('.')[0]}] allows your own")


def targets(node: object, path: str = "") -> Iterable[tuple[str, str]]:
    """Yield the path and value of every `_target_` of a configuration."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key == "_target_":
            yield path, str(value)
        else:
            yield from targets(value, f"{path}.{key}".lstrip("."))
