"""Images and label maps in folders of any names: found by equal file names, and told apart by what they hold."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from tasks.data.files.patterns import ANY
from tasks.data.recognise.listing import Listing, sample
from tasks.data.recognise.mask_or_photo import is_label_map
from tasks.data.recognise.name_groups import Names, grouped, stems_of
from tasks.data.recognise.split_texts import SPLITS, inside

TRIED = 12  # folders from which pairs are looked for
PROBES = 5  # names of each that are looked for in others
HEAD = 400  # files of another folder among which they are
MOST = 8  # folders with the same names: more are classes
ENOUGH = 0.8  # of the files of both sides that must have a partner
OFTEN = ("mask", "label", "seg", "gt", "annot", "truth", "manual", "trimap", "semantic", "parsing")
SELDOM = ("instance", "panoptic", "depth", "disparity", "color", "colour", "visual", "overlay", "edge", "contour",
          "boundary", "bbox", "weight", "preview", "pred")  # fmt: skip
Group = tuple[str, Names]  # files of a folder


class Member(NamedTuple):
    """A folder of images with its folder of label maps.

    Attributes:
        before, after: folders that both are in, and folders below those that differ.
        split: text for {split}; '' for none.
        images: their number.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    split: str
    images: int


class Scheme(NamedTuple):
    """How the path of a label map differs from its image's; {split} stands for the text of a split.

    Attributes:
        images, masks: folders that differ.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    image_names: Names
    mask_names: Names

    def of(self, split: str) -> "Scheme":
        """With the text of a split."""
        images, masks = (tuple(part.replace("{split}", split) for part in one) for one in (self.images, self.masks))
        return Scheme(images, masks, self.image_names.of_split(split), self.mask_names.of_split(split))

    @property
    def needs_split(self) -> bool:
        return any("{split}" in part for one in self for part in one)


class Found(NamedTuple):
    """Patterns of paths below the root.

    Attributes:
        counts: images of each split by its text; '' for none.
        folder, end: a folder of label maps, and what their names end with.
        rank: how likely the names are those of label maps: 1, 0 or -1.
    """

    images: str
    masks: str
    counts: Mapping[str, int]
    folder: str
    end: str
    rank: int


def find(listing: Listing) -> list[Found]:
    """The ways to pair most images with label maps, the likely ones by their names."""
    schemes = {scheme: members(listing, scheme) for scheme in dict.fromkeys(starts(listing))}
    found = [patterns(scheme, rows) for scheme, rows in schemes.items() if rows]
    most = max((sum(one.counts.values()) for one in found), default=0)
    found = [one for one in found if 2 * sum(one.counts.values()) > most]
    best = max((one.rank for one in found), default=0)
    return sorted({one.masks: one for one in found if one.rank == best}.values())


def starts(listing: Listing) -> Iterator[Scheme]:
    """Schemes of some folders."""
    groups = cache(lambda folder: grouped(listing.images(folder)))
    folders = sorted(
        (folder for folder in listing.files if listing.images(folder)),
        key=lambda name: (-len(listing.images(name)), name),
    )
    tried = sample(folders)[:TRIED]
    wanted = {stem for folder in tried for stems in groups(folder).values() for stem in sorted(stems)[:PROBES]}
    probes: dict[str, list[Group]] = defaultdict(list)
    for folder in folders:
        own = groups(folder) if folder in tried else grouped(listing.images(folder)[:HEAD])
        for names, stems in own.items():
            for stem in wanted & stems:
                probes[stem].append((folder, names))
    for folder in tried:
        for names, stems in groups(folder).items():
            near = Counter(place for stem in sorted(stems)[:PROBES] for place in probes[stem])
            likely = {
                other: len(groups(other[0]).get(other[1], ()))
                for other, _ in near.most_common(10 * MOST)
                if may_pair((folder, names), other)
                and both_named(stems, groups(other[0]).get(other[1], set()), (folder, names), other)
            }
            common = {other: sum(map(len, shared(folder, other[0]))) for other in likely}
            nearest = [other for other in common if common[other] == max(common.values())]
            for other in nearest if len(nearest) <= MOST else ():
                if is_label_map(listing, (folder, names), other, sorted(stems)):
                    yield scheme_of(listing, (folder, names), other)


def may_pair(one: Group, other: Group) -> bool:
    """Whether two groups are not the same, nor named by the same words, which a shorter way of naming them covers."""
    (folder, left), (place, right) = one, other
    if folder == place and (left == right or ANY in (left.suffix, right.suffix)):
        return False
    return not (left.before == right.before != "" or left.after == right.after != "")


def both_named(stems: set[str], theirs: set[str], one: Group, other: Group) -> bool:
    """Whether most files of two groups have a partner in the other."""
    (folder, left), (place, right) = one, other
    if folder == place and left.suffix == right.suffix and not left.before + left.after:  # has the label maps, too
        stems = {stem for stem in stems if not (stem.startswith(right.before) and stem.endswith(right.after))}
    return len(stems & theirs) >= ENOUGH * max(len(stems), len(theirs), 1)


def shared(one: str, other: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders that two paths begin with, and those that the rests end with."""
    left, right = parts(one), parts(other)
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    return left[:start], left[len(left) - end :]


def parts(folder: str) -> tuple[str, ...]:
    return tuple(folder.split("/")) if folder else ()


def scheme_of(listing: Listing, images: Group, masks: Group) -> Scheme:
    """What differs between two groups, with {split} for the text of a split that their paths hold."""
    (folder, names), (other, mask_names) = images, masks
    path, place = parts(folder), parts(other)
    before, after = shared(folder, other)
    split = next((part for part in (*before, *after) if part.lower() in SPLITS), "")
    for k, part in enumerate(path[: len(path) - len(after)]):
        if not split:
            split = inside(part, listing.folders.get("/".join(path[:k]), []))
    own, theirs = path[len(before) : len(path) - len(after)], place[len(before) : len(place) - len(after)]
    if not split:
        return Scheme(own, theirs, names, mask_names)

    def general(text: str) -> str:
        return re.sub(rf"(?<![A-Za-z]){re.escape(split)}(?![a-z])|^{re.escape(split)}", "{split}", text)

    def generally(words: Names) -> Names:
        return words._replace(before=general(words.before), after=general(words.after))

    return Scheme(tuple(map(general, own)), tuple(map(general, theirs)), generally(names), generally(mask_names))


def members(listing: Listing, scheme: Scheme) -> list[Member]:
    """The folders in which a scheme holds."""
    found = []
    for folder in filter(listing.images, listing.files):
        path = parts(folder)
        texts = {part for part in path if part.lower() in SPLITS}
        texts |= {
            text for k, part in enumerate(path) if (text := inside(part, listing.folders.get("/".join(path[:k]), [])))
        }
        tried = [*sorted(texts, key=lambda text: (-len(text), text)), *([] if scheme.needs_split else [""])]
        found += [one for split in tried if (one := member(listing, scheme, path, split))][:1]
    return found


def member(listing: Listing, scheme: Scheme, path: tuple[str, ...], split: str) -> Member | None:
    """A folder of images, if a scheme holds there with the text of a split."""
    own, theirs, names, mask_names = scheme.of(split)
    for place in range(len(path) - len(own) + 1) if own else [len(path)]:
        before, after = path[:place], path[place + len(own) :]
        other = "/".join((*before, *theirs, *after))
        if path[place : place + len(own)] == own and other in listing.files:
            stems = stems_of(listing.images("/".join(path)), names)
            if count := len(stems & stems_of(listing.images(other), mask_names)):
                return Member(before, after, split, count)
    return None


def patterns(scheme: Scheme, rows: Sequence[Member]) -> Found:
    """The patterns of paths that hold for most folders of a scheme."""
    shapes: dict[tuple[int, int, tuple[str, ...]], list[Member]] = defaultdict(list)
    prefixed = bool(scheme.image_names.before or scheme.mask_names.before)
    for row in rows:
        general = [with_split(part, row.split) for part in (*row.before, *row.after)]
        at = max((k + 1 for k, part in enumerate(general) if "{split}" in part), default=0)
        keep = len(general) if prefixed else max(at, len(row.before))  # below, {stem} holds the folders, too
        marks = tuple(part if "{split}" in part else "" for part in general[:keep])
        shapes[len(row.before), keep, marks].append(row)
    (depth, keep, marks), best = max(shapes.items(), key=lambda item: sum(row.images for row in item[1]))
    names = iter("abcdefghijklmnopqrstuvwxyz")
    folders = []
    for k in range(keep):
        texts = {(*row.before, *row.after)[k] for row in best}
        folders.append(marks[k] or (next(iter(texts)) if len(texts) == 1 else f"{{folder_{next(names)}}}"))
    counts: Counter[str] = Counter()
    for row in best:
        counts[row.split] += row.images
    images, masks = (
        "/".join((*folders[:depth], *middle, *folders[depth:], own.of("{stem}")))
        for middle, own in ((scheme.images, scheme.image_names), (scheme.masks, scheme.mask_names))
    )
    first = next((row for row in best if SPLITS.get(row.split.lower()) == "train"), best[0])
    now = scheme.of(first.split)
    return Found(
        images, masks, counts, "/".join((*first.before, *now.masks, *first.after)), now.mask_names.end, rank(scheme)
    )


def with_split(part: str, split: str) -> str:
    """A folder's name with {split} for the text of its split."""
    return part.replace(split, "{split}", 1) if split and (part == split or inside(part, [], split)) else part


def rank(scheme: Scheme) -> int:
    """How likely names are those of label maps: 1, 0 or -1."""
    last = "/".join((*scheme.masks[-1:], scheme.mask_names.before, scheme.mask_names.after)).lower()
    whole = "/".join((*scheme.masks, last)).lower()
    return -1 if any(word in last for word in SELDOM) else int(any(word in whole for word in OFTEN))
