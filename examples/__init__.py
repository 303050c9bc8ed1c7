"""A plug-in: your own code next to the packages. One file per kind of extension, each as short as possible.

    tags/             a fourth task, image tags: any number of classes for an image. One folder and conf/tags.yaml
    shapes.py         a data set           conf/dataset/shapes.yaml        dataset=shapes
    tiny_net.py       a backbone           conf/backbone/tiny_net.yaml     backbone=tiny_net
    max_head.py       a head               conf/head/max_head.yaml         head=max_head
    focal.py          a loss               named in conf/tags.yaml         task.loss._target_=examples.focal.FocalLoss

Nothing here is built unless every command names the package:

    python -m examples.tags plugins=[examples]
    export MOBILEVISION_PLUGINS=examples             # or once for a terminal
    python -m examples.tags mode=export checkpoint=<best.ckpt>
    python -m tasks.multitask dataset=shapes backbone=tiny_net      # a head for every kind of label: here the tags
"""
