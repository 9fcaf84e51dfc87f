"""Annotated pictures in the field's layouts, as tests write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("cat", "dog", "owl")

Box = tuple[float, float, float, float, int]
"""Left, top, right, bottom and class."""


@dataclass(frozen=True)
class Item:
    """A picture to be written, of one color; equal colors and sizes give equal files."""

    name: str
    split: str | None
    boxes: Sequence[Box]
    size: tuple[int, int] = (64, 48)
    color: tuple[int, int, int] = (0, 0, 0)


def items(count: int = 10, split: str | None = None) -> list[Item]:
    """Return pictures of different colors, each with two boxes of different classes; the last has none."""
    boxes = [
        [(4.0 + i, 5.5, 20.0 + i, 30.0, i % 3), (30.0, 8.0 + i, 60.0, 47.0, (i + 1) % 3)] for i in range(count - 1)
    ]
    return [Item(f"p{i}.png", split, each, color=(i, 9, 9)) for i, each in enumerate([*boxes, []])]


def halves() -> list[Item]:
    """Return pictures of which every third is for validation and the others for training."""
    return [Item(e.name, "train" if i % 3 else "val", e.boxes, e.size, e.color) for i, e in enumerate(items())]


def save(path: Path, item: Item) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", item.size, item.color).save(path)


def write_coco(root: Path, chosen: Sequence[Item]) -> Path:
    """Write annotations/instances_SPLIT.json with pictures in images/SPLIT; ids have gaps, as COCO's own."""
    for split in dict.fromkeys(item.split for item in chosen):
        part = [item for item in chosen if item.split == split]
        for item in part:
            save(root / "images" / (split or "") / item.name, item)
        boxes = [(i, box) for i, item in enumerate(part) for box in item.boxes]
        document = {
            "images": [
                {"id": 7 * i + 1, "file_name": item.name, "width": item.size[0], "height": item.size[1]}
                for i, item in enumerate(part)
            ],
            "annotations": [
                {"id": n, "image_id": 7 * i + 1, "category_id": 10 * box[4] + 5, "iscrowd": 0,
                 "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
                for n, (i, box) in enumerate(boxes)
            ],
            "categories": [{"id": 10 * i + 5, "name": name} for i, name in reversed([*enumerate(LABELS)])],
        }  # fmt: skip
        file = root / "annotations" / f"instances_{split or 'all'}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    return root


def write_yolo(root: Path, chosen: Sequence[Item]) -> Path:
    """Write data.yaml, images/SPLIT and labels/SPLIT; boxes are shares with nine digits."""
    for item in chosen:
        save(root / "images" / (item.split or "train") / item.name, item)
        lines = []
        for left, top, right, bottom, label in item.boxes:
            width, height = item.size
            shares = (
                (left + right) / 2 / width,
                (top + bottom) / 2 / height,
                (right - left) / width,
                (bottom - top) / height,
            )
            lines.append(f"{label} " + " ".join(f"{share:.9f}" for share in shares))
        file = root / "labels" / (item.split or "train") / f"{Path(item.name).stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines))
    splits = dict.fromkeys(item.split or "train" for item in chosen)
    text = "".join(f"{split}: images/{split}\n" for split in splits)
    (root / "data.yaml").write_text(f"{text}nc: 3\nnames: [{', '.join(LABELS)}]\n")
    return root


def voc_xml(item: Item, database: str = "Unknown") -> str:
    objects = "".join(
        f"<object><name>{LABELS[label]}</name><difficult>0</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for left, top, right, bottom, label in item.boxes
    )
    width, height = item.size
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><source><database>{database}</database></source>{size}{objects}</annotation>"


def write_voc(root: Path, chosen: Sequence[Item], own: bool = False) -> Path:
    """Write annotations/ and images/ with lists beside them; or VOC's own folders."""
    names = ("Annotations", "JPEGImages", "ImageSets/Main") if own else ("annotations", "images", ".")
    annotations, images, lists = (root / name for name in names)
    annotations.mkdir(parents=True, exist_ok=True)
    for item in chosen:
        save(images / item.name, item)
        (annotations / f"{Path(item.name).stem}.xml").write_text(voc_xml(item))
    for split in dict.fromkeys(item.split for item in chosen if item.split):
        lists.mkdir(parents=True, exist_ok=True)
        stems = [Path(item.name).stem for item in chosen if item.split == split]
        (lists / f"{split}.txt").write_text("\n".join(stems) + "\n")
    return root


WRITERS = {"coco": write_coco, "yolo": write_yolo, "voc": write_voc}


def as_items(labels, pictures) -> list[Item]:
    """Return pictures that were read as items that another layout can be written from."""
    back = {"train": "train", "validation": "val", "test": "test", None: None}
    return [
        Item(
            picture.path.name,
            back[picture.split],
            [
                (*map(float, box), LABELS.index(labels[c]))
                for box, c in zip(picture.boxes, picture.classes, strict=True)
            ],
            (picture.width, picture.height),
            tuple(np.asarray(Image.open(picture.path).convert("RGB"))[0, 0].tolist()),
        )
        for picture in pictures
    ]
