"""Code of your own beside the packages: a plug-in. Each file is one kind of it, as short as it gets.

    tags/             a fourth task, image tags: any number of classes for an image. One folder and conf/tags.yaml
    shapes.py         a data set           conf/dataset/shapes.yaml        dataset=shapes
    tiny_net.py       a backbone           conf/backbone/tiny_net.yaml     backbone=tiny_net
    max_head.py       a head               conf/head/max_head.yaml         head=max_head
    focal.py          a loss               named in conf/tags.yaml         task.loss._target_=examples.focal.FocalLoss

Nothing here is built unless you name the package, for each command anew:

    python -m examples.tags plugins=[examples]
    export MOBILEVISION_PLUGINS=examples             # or once for a terminal
    python -m examples.tags mode=export checkpoint=<best.ckpt>
    python -m tasks.multitask dataset=shapes backbone=tiny_net      # what has labels is a head: here the tags
"""
