"""Option names of other toolkits: for `epochs=5` and `--batch-size 8`, says what they are called here."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.common.formats import FORMATS


class Word(NamedTuple):
    """Our equivalent of another toolkit's word: a key with {} for the value, and a note with it or instead of it."""

    key: str = ""
    note: str = ""


# Words of Ultralytics, torchvision's references, timm, detectron2, MMDetection, Keras and Lightning. Each entry is our
# key, # a note, and below it the words.
TABLE = """
dataset=folders, coco_json, cityscapes or voc, with dataset.root=<folder>
    data_yaml data_config dataset_config
trainer.max_epochs={}
    epochs epoch num_epochs n_epochs max_epoch max_epochs total_epochs nb_epoch
trainer.max_epochs=…  # steps are epochs × batches
    steps max_steps max_iter max_iters iterations num_steps
optimizer.lr={}
    lr lr0 learning_rate base_lr init_lr blr warmup_lr
-  # scheduler=cosine and poly end at 0; scheduler=step and exponential at their own
    lrf min_lr eta_min
data.batch_size={}
    batch b bs batch_size train_batch_size samples_per_gpu ims_per_batch per_device_train_batch_size
data.global_batch={}
    global_batch global_batch_size total_batch_size effective_batch_size nbs
data.eval_batch_size={}
    val_batch_size eval_batch_size validation_batch_size test_batch_size vb
image_size=[{0},{0}]
    imgsz img img_size image_size input_size img_dim resolution train_crop_size crop_size size short_side
data.workers={}
    workers num_workers j workers_per_gpu dataloader_num_workers
trainer.accelerator=gpu trainer.devices=[{}]
    device gpu gpus num_gpus gpu_ids cuda
trainer.devices={}
    devices nproc_per_node
trainer.num_nodes={}
    num_nodes nodes num_machines
trainer.accelerator={}
    accelerator
trainer.strategy={}
    strategy
trainer.precision={}
    precision
trainer.precision=16-mixed  # on a GPU; bf16-mixed and 32-true are others
    amp fp16 half mixed_precision use_amp native_amp
hydra.run.dir={}
    project name output output_dir out_dir work_dir save_dir logdir log_dir exp_name o
-  # the number of classes comes from the data set
    num_classes nc classes n_classes single_cls
dataset.root={}
    data_path data_dir dataset_path data_root root train_dir datadir
dataset.val_split={}
    val_dir val_split split
dataset.train_split={}
    train_split
-  # validation images are a split of the data set: dataset.val_split=…
    validation_split
trainer.limit_train_batches={}
    fraction subset
backbone={}
    arch architecture backbone_name network net cfg
backbone.width={}
    width width_mult alpha depth_multiplier
weights=MobileNet_V3_Large_Weights.IMAGENET1K_V2 or checkpoint=<file.ckpt>
    pretrained weights_backbone init_weights load_from finetune
saving.minutes={}
    checkpoint.minutes checkpoint_minutes train_time_interval
checkpoint={}
    ckpt ckpt_path checkpoint_path initial_checkpoint
resume={}
    resume_from resume_from_checkpoint
mode=predict input={}
    source images image input_dir img_path
optimizer={}
    opt optim solver
scheduler=cosine  # or constant, poly, step, exponential
    lr_scheduler sched schedule lr_policy lr_schedule cos_lr
scheduler=step scheduler.factor={}
    lr_gamma gamma decay_rate
scheduler=step scheduler.milestones=[0.6,0.9]  # shares of all steps
    lr_step_size lr_steps milestones decay_epochs
scheduler.warmup=0.05  # a share of all steps, or a whole number of them
    warmup warmup_epochs warmup_steps lr_warmup_epochs warmup_iters
optimizer.momentum={}  # of optimizer=sgd or rmsprop
    momentum
optimizer.weight_decay={}
    weight_decay wd
task.loss.label_smoothing={}
    label_smoothing smoothing
head.dropout={}  # of the classification head
    dropout drop drop_rate
task.mix.mixup={}  # of tasks.classify
    mixup mixup_alpha
task.mix.cutmix={}  # of tasks.classify
    cutmix cutmix_alpha
data.augment.flip.p={}
    fliplr hflip hflip_prob
data.augment.…  # transforms of albumentations by name
    mosaic hsv_h hsv_s hsv_v degrees translate scale shear perspective flipud copy_paste erasing random_erase
    reprob color_jitter auto_augment aa augment augmentation
trainer.gradient_clip_val={}
    clip_grad_norm clip_grad grad_clip max_grad_norm gradient_clip_val
trainer.accumulate_grad_batches={}
    accumulate grad_accum_steps gradient_accumulation_steps accumulate_grad_batches
ema=0.999  # the decay; null for none
    model_ema ema_decay model_ema_decay
trainer.sync_batchnorm=true
    sync_bn sync_batchnorm syncbn
trainer.deterministic={}
    deterministic
data.cache=true
    cache_images cache ram
mode=evaluate checkpoint=<file.ckpt>
    eval_only test_only evaluate val_only eval test validate
mode=train  # which is the default
    train fit
mode=predict checkpoint=<file.ckpt> input=<image, folder or glob>
    predict infer inference
-  # there is no such setting: best.ckpt is the epoch with the best score, last.ckpt the last one
    patience early_stopping save_period save plots verbose exist_ok print_freq save_freq
trainer.check_val_every_n_epoch={}
    val_interval eval_freq eval_interval eval_period val_freq
task.select.threshold={}  # of tasks.detect
    conf score_thr conf_thres score_threshold box_score_thresh
task.select.overlap={}  # of tasks.detect
    iou iou_thres nms_thr nms_threshold nms_iou box_nms_thresh
task.select.detections={}  # of tasks.detect
    max_det max_detections detections_per_img box_detections_per_img
task.mirror=true
    tta test_time_augmentation
mode=export export.format=onnx  # with export.precision, export.batch and export.size
    format int8 opset dynamic simplify
trainer.devices=…  # torchrun and SLURM are recognised by themselves
    rank local_rank world_size dist_url launcher
seed={}
    manual_seed random_seed random_state
backbone.frozen=true
    freeze freeze_backbone frozen
finetune.frozen_until=c2  # blocks up to this map; finetune.thaw=0.1: all of the backbone, in the first tenth
    freeze_at freeze_layers frozen_stages unfreeze unfreeze_at
optimizer.layer_decay={}
    layer_decay layer_lr_decay layerwise_decay llrd
optimizer.backbone={}  # a share of optimizer.lr
    lr_backbone backbone_lr backbone_lr_mult
logger=csv, tensorboard, wandb, mlflow or none
    wandb tensorboard log_wandb use_wandb visualizer
experiment=<a file of conf/experiment>  # a whole configuration of your own: --config-dir and --config-name
    config config_file yaml cfg_file
dataset=coco_json dataset.train.images=<folder> dataset.train.annotations=<file.json>
    train_image_dir train_annotations ann_file annotation_file annotations
"""


def words(table: str) -> dict[str, Word]:
    """Parse a table such as TABLE."""
    found: dict[str, Word] = {}
    word = Word()
    for line in table.strip().splitlines():
        if line.startswith(" "):
            found |= dict.fromkeys(line.split(), word)
        else:
            key, _, note = line.partition("  # ")
            word = Word(key.strip("-"), note)
    return found


WORDS = words(TABLE)
OPTIONS = {  # Hydra's own
    *("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p", "--run", "-r"),
    *("--multirun", "-m", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun", "--info", "-i"),
}
WITH_VALUE = {"--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"}
NETWORKS = re.compile(r"(yolo|rtdetr|resnet|mobilenet|efficientnet|fcn|deeplab|lraspp|ssd|vit|mask_?rcnn|faster_?rcnn)")
SUFFIXES = tuple(form.suffix for form in FORMATS.values())
NUMBER_OR_NAME = re.compile(r"[\w./:-]+")


def check_words(arguments: Sequence[str], known: frozenset[str]) -> None:
    """Refuse options that are not Hydra's and keys of other toolkits, with their names here.

    Args:
        arguments: of the command line.
        known: the configuration's own top-level keys.

    Raises:
        UserError: for the first one.
    """
    skip = False
    for index, argument in enumerate(arguments):
        if skip:
            skip = False
            continue
        option, sign, value = argument.partition("=")
        if argument in WITH_VALUE:
            skip = True
        elif argument.startswith("-") and option not in OPTIONS:
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            if not sign and not following.startswith("-") and "=" not in following:
                value = following
            shown = f"{argument} {value}" if value and not sign else argument
            near = get_close_matches(option, sorted({*OPTIONS, "--keys"}), 1, 0.7)
            meant = f" (did you mean {near[0]}?)" if near else ""
            hint = hint_for(plain(option), value) or f"no such option{meant}; settings are key=value"
            raise UserError(f"{shown}: {hint}")
        elif (
            sign
            and not argument.startswith("-")  # one of Hydra's: --cfg=job
            and (plain(option) not in known or is_accelerator(option, value))
            and (hint := hint_for(plain(option), value))
        ):
            raise UserError(f"{argument}: {hint}")
        elif argument == "model" or (option == "model" and not_a_file(value)):
            raise UserError(f"{argument}: model=… is an exported file; the network is backbone=…, the head head=…")
        elif option == "data" and sign and not value.startswith("{"):
            raise UserError(f"{argument}: write {WORDS['data_yaml'].key}")


def plain(option: str) -> str:
    """A word in lower case, with _ instead of -, and without leading dashes or Hydra's +, ++ and ~."""
    return option.lstrip("-+~").replace("-", "_").lower()


def hint_for(name: str, value: str) -> str:
    """What to write instead of a word of another toolkit; '' if the word is unknown."""
    word = WORDS.get(name)
    if word is None:
        return ""
    if name == "device" and ("/" in value or "." in value):
        return "a device's result is a .txt or .json file (docs/deploy/benchmark.md)"
    if name == "device" and value and not value[0].isdigit():
        return f"write trainer.accelerator={value.partition(':')[0]}"
    if "{0}" in word.key:  # side of a square
        numbers = re.findall(r"\d+", value)
        side = numbers[0] if len(set(numbers)) == 1 else "320"
        return f"write {word.key.format(side)}"
    filled = word.key.format(value if NUMBER_OR_NAME.fullmatch(value) else "…")
    if not filled:
        return word.note
    return f"write {filled}" + (f" ({word.note})" if word.note else "")


def is_accelerator(option: str, value: str) -> bool:
    """Whether `device=` names a GPU or the like, as in other toolkits; ours names files."""
    return option == "device" and value != "null" and not value.strip("'\"[] ").endswith((".json", ".txt", ".log"))


def not_a_file(value: str) -> bool:
    """Whether a value, or an entry of its list, names a network instead of an exported file."""
    paths = [part.strip().strip("'\"") for part in value.strip("'\"[] ").split(",")]
    names = [path.rstrip("/").rpartition("/")[2].lower() for path in paths if not Path(path).is_dir()]
    return any(NETWORKS.match(name) and not name.endswith(SUFFIXES) for name in names)
