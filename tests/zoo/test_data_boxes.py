"""Annotated pictures in three layouts: what is read, what is found wrong in them, and what hostile files do not do."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.average_precision import LabeledBoxes
from runtime.box_targets import pack, unpack
from runtime.errors import DataError
from runtime.images.preprocess import image_steps, preprocess
from tests.zoo.layouts import (
    LABELS,
    WRITERS,
    Item,
    as_items,
    halves,
    items,
    save,
    voc_xml,
    write_coco,
    write_voc,
    write_yolo,
)
from zoo.data._annotations import load_pictures, read_annotations

# EDGEZOO_SHARED names the folder of development data where it is not beside the checkout
CELLS = Path(os.environ.get("EDGEZOO_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "cells"


def read(root):
    """Return labels and pictures, of which nothing is wrong."""
    annotations, findings = read_annotations(root)
    assert [findings.lines(level) for level in ("fatal", "bad", "note")] == [[], [], []]
    return annotations


def by_name(pictures):
    return {(p.split, p.path.name): (p.width, p.height, p.boxes, p.classes) for p in pictures}


def assert_holds(annotations, chosen):
    """Boxes are those of the items to 1e-3 pixels, in the same order."""
    splits = {"train": "train", "val": "validation", "test": "test", None: None}
    known = by_name(annotations.pictures)
    assert len(known) == len(annotations.pictures) == len(chosen)
    for item in chosen:
        width, height, boxes, classes = known[splits[item.split], item.name]
        assert (width, height) == item.size
        assert (boxes.dtype, classes.dtype, boxes.shape[1:]) == (np.float32, np.int64, (4,))
        np.testing.assert_allclose(boxes, np.array([box[:4] for box in item.boxes]).reshape(-1, 4), rtol=0, atol=1e-3)
        assert [annotations.labels[i] for i in classes] == [LABELS[box[4]] for box in item.boxes]


def problems(root, level="bad"):
    """Return the report's lines of a level."""
    return " | ".join(getattr(load_pictures(root, 0).report, level))


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_boxes_and_the_splits(tmp_path, layout):
    root = WRITERS[layout](tmp_path / "data", halves())
    assert_holds(read(root), halves())
    loaded = load_pictures(root, 0)
    assert loaded.labels == LABELS and loaded.report.bad == loaded.report.fatal == loaded.report.notes == ()
    assert {name: len(split.items) for name, split in loaded.splits.items()} == {"train": 6, "validation": 4}
    for split in loaded.splits.values():
        assert (split.targets.dtype, split.targets.shape[2]) == (np.float32, 5)


@pytest.mark.parametrize("layout", ["coco", "voc"])
def test_without_splits_they_follow_from_the_seed(tmp_path, layout):
    chosen = items(21)
    root = WRITERS[layout](tmp_path / "data", chosen)
    assert_holds(read(root), chosen)
    one, again, other = (load_pictures(root, seed).splits for seed in (0, 0, 1))
    assert [path.name for path in one["validation"].items] == [path.name for path in again["validation"].items]
    assert one["validation"].items != other["validation"].items
    assert len(one["train"].items) + len(one["validation"].items) == 21
    assert {int(i) for target in one["validation"].targets for i in unpack(target).labels} == {0, 1, 2}


def test_validation_comes_from_train_where_there_is_none(tmp_path):
    root = write_yolo(
        tmp_path / "data",
        [*items(20, "train"), *(replace(e, split="test", color=(0, 0, 50 + i)) for i, e in enumerate(items(5)))],
    )
    sizes = {name: len(split.items) for name, split in load_pictures(root, 0).splits.items()}
    assert sizes["test"] == 5 and sizes["train"] + sizes["validation"] == 20 and sizes["validation"] >= 3


def test_round_trips_between_the_layouts(tmp_path):
    first = read(write_voc(tmp_path / "voc", halves()))
    second = read(write_coco(tmp_path / "coco", as_items(first.labels, first.pictures)))
    third = read(write_yolo(tmp_path / "yolo", as_items(second.labels, second.pictures)))
    last = read(write_voc(tmp_path / "again", as_items(third.labels, third.pictures)))
    assert_holds(third, halves())
    assert_holds(last, halves())


def test_packed_boxes_come_back(tmp_path):
    pictures = read(write_voc(tmp_path, halves())).pictures
    packed = pack([LabeledBoxes(picture.boxes, picture.classes) for picture in pictures], 9)
    assert packed.shape == (len(pictures), 9, 5)
    for target, picture in zip(packed, pictures, strict=True):
        boxes = unpack(target)
        assert (boxes.corners == picture.boxes).all() and (boxes.labels == picture.classes).all()
        assert boxes.labels.dtype == np.int64
    assert pack([], 0).shape == (0, 0, 5)


@pytest.mark.skipif(not CELLS.is_dir(), reason="the cells are not here")
def test_real_cells_and_their_round_trip(tmp_path):
    loaded = load_pictures(CELLS, 0)
    assert loaded.labels == ("Platelets", "RBC", "WBC")
    assert {name: len(split.items) for name, split in loaded.splits.items()} == {"train": 205, "validation": 87}
    assert loaded.report.fatal == loaded.report.bad == ()
    assert [line.partition(" (")[0] for line in loaded.report.notes] == ["boxes without an area, which are left out: 2"]
    annotations, _ = read_annotations(CELLS)
    assert sum(len(picture.boxes) for picture in annotations.pictures) == 3_943
    for picture in annotations.pictures[:40]:
        width, height = picture.width, picture.height
        shares = (
            (picture.boxes.reshape(-1, 2, 2) / (width, height)).mean(1),
            np.ptp(picture.boxes.reshape(-1, 2, 2), 1) / (width, height),
        )
        rows = [
            f"{c} " + " ".join(f"{v:.8f}" for v in (*xy, *wh))
            for c, xy, wh in zip(picture.classes, *shares, strict=True)
        ]
        for folder, name, data in (
            ("images", picture.path.name, picture.path.read_bytes()),
            ("labels", picture.path.stem + ".txt", "\n".join(rows).encode()),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(data)
    (tmp_path / "data.yaml").write_text(f"train: images\nnames: {list(annotations.labels)}\n")
    yolo = {picture.path.name: picture for picture in read(tmp_path).pictures}
    assert len(yolo) == 40
    for picture in annotations.pictures[:40]:
        np.testing.assert_allclose(yolo[picture.path.name].boxes, picture.boxes, rtol=0, atol=1e-3)


class TestLayouts:
    def test_a_folder_with_none_of_them_names_what_was_looked_for(self, tmp_path):
        save(tmp_path / "images" / "a.png", items()[0])
        with pytest.raises(
            DataError, match=r"no annotated pictures.*COCO JSON: \*.json.*data.yaml.*Pascal VOC XML: \*.xml"
        ):
            load_pictures(tmp_path, 0)

    def test_label_files_without_names_are_advised(self, tmp_path):
        root = write_yolo(tmp_path / "data", halves())
        (root / "data.yaml").unlink()
        with pytest.raises(DataError, match=r"names stand in data.yaml: write one with 'names:"):
            load_pictures(root, 0)

    def test_two_layouts_in_one_folder_are_a_question(self, tmp_path):
        write_coco(tmp_path, halves())
        write_yolo(tmp_path, halves())
        with pytest.raises(DataError, match="holds COCO JSON and a YOLO folder: put each into a folder of its own"):
            load_pictures(tmp_path, 0)

    @pytest.mark.parametrize(("make", "message"), [(None, "no such folder"), ("file", "not a folder; give the folder")])
    def test_no_folder(self, tmp_path, make, message):
        if make:
            (tmp_path / "data").write_text("x")
        with pytest.raises(DataError, match=message):
            load_pictures(tmp_path / "data", 0)

    def test_vocs_own_folders(self, tmp_path):
        assert_holds(read(write_voc(tmp_path, halves(), own=True)), halves())

    def test_voc_in_a_folder_of_each_split(self, tmp_path):
        for item in halves():
            folder = tmp_path / {"val": "valid"}.get(item.split, item.split)
            save(folder / item.name, item)
            (folder / item.name).with_suffix(".xml").write_text(voc_xml(item))
        assert_holds(read(tmp_path), halves())

    def test_vocs_own_files_count_pixels_from_one(self, tmp_path):
        item = Item("a.png", None, [(1, 1, 64, 48, 0)])
        root = write_voc(tmp_path, [item])
        assert read(root).pictures[0].boxes.tolist() == [[1, 1, 64, 48]]
        (root / "annotations" / "a.xml").write_text(voc_xml(item, "The VOC2007 Database"))
        assert read(root).pictures[0].boxes.tolist() == [[0, 0, 64, 48]]

    def test_parts_of_an_object_are_no_objects(self, tmp_path):
        root = write_voc(tmp_path, [Item("a.png", None, [(2, 2, 40, 40, 1)])])
        file = root / "annotations" / "a.xml"
        part = "<part><name>head</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
        file.write_text(file.read_text().replace("</object>", part + "</object>"))
        annotations = read(root)
        assert annotations.labels == ("dog",) and annotations.pictures[0].boxes.tolist() == [[2, 2, 40, 40]]

    def test_trainval_is_the_training_where_nothing_else_is(self, tmp_path):
        root = write_voc(
            tmp_path,
            [replace(item, split=item.split and {"train": "trainval", "val": "test"}[item.split]) for item in halves()],
            own=True,
        )
        assert {picture.split for picture in read(root).pictures} == {"train", "test"}

    def test_coco_beside_the_pictures_of_each_split(self, tmp_path):
        root = write_coco(tmp_path / "a", halves())
        for split, folder in (("train", "train"), ("val", "valid")):
            (root / "images" / split).rename(root / folder)
            (root / "annotations" / f"instances_{split}.json").rename(root / folder / "_annotations.coco.json")
        (root / "images").rmdir()
        assert_holds(read(root), halves())

    def test_cocos_other_tasks_are_left_alone(self, tmp_path):
        root = write_coco(tmp_path, halves())
        (root / "annotations" / "captions_train2017.json").write_text('{"images": [], "annotations": []}')
        (root / "annotations" / "person_keypoints_val.json").write_text("not even JSON")
        assert_holds(read(root), halves())

    @pytest.mark.parametrize(
        "text",
        [
            "path: {root}\ntrain: images/train\nval: images/val\nnames: {{0: cat, 1: dog, 2: owl}}\n",
            "path: /somewhere/else\ntrain: images/train\nval: [images/val]\nnames: [cat, dog, owl]\n",
            "train: ../images/train\nval: ../images/val\nnames: [cat, dog, owl]\n",
            "train: lists/train.txt\nval: lists/val.txt\nnames: [cat, dog, owl]\n",
        ],
        ids=["absolute", "moved", "Roboflow", "lists"],
    )
    def test_yolos_ways_to_name_folders(self, tmp_path, text):
        root = write_yolo(tmp_path / "data", halves())
        (root / "lists").mkdir()
        for split in ("train", "val"):
            names = "".join(f"../images/{split}/{item.name}\n" for item in halves() if item.split == split)
            (root / "lists" / f"{split}.txt").write_text(names)
        (root / "data.yaml").write_text(text.format(root=root))
        assert_holds(read(root), halves())

    def test_polygons_are_the_boxes_around_them(self, tmp_path):
        root = write_yolo(tmp_path, [Item("a.png", "train", [(0, 0, 1, 1, 0)], (100, 50))])
        (root / "labels" / "train" / "a.txt").write_text("2 0.1 0.2 0.5 0.1 0.3 0.9\n")
        (picture,) = read(root).pictures
        np.testing.assert_allclose(picture.boxes, [[10, 5, 50, 45]], atol=1e-3)
        assert picture.classes.tolist() == [2]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_boxes_are_in_the_upright_picture(tmp_path, suffix, orientation):
    """As labels of YOLO are shares, they show which size was taken; it is that of the preprocessed picture."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    path = tmp_path / "images" / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (80, 40)).save(path, exif=exif)
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1 1\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [all]\n")
    (picture,) = read(tmp_path).pictures
    assert (picture.width, picture.height) == ((40, 80) if orientation in (6, 8) else (80, 40))
    assert picture.boxes.tolist() == [[0, 0, picture.width, picture.height]]
    upright = preprocess(path, image_steps((200, 200), "RGB", fit="pad", ground=(255, 0, 0)))
    rows, columns = np.nonzero(upright[:, :, 0] < 128)
    assert (np.ptp(columns) > np.ptp(rows)) == (picture.width > picture.height)


def test_a_size_that_was_stated_before_turning_is_refused(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    root = write_voc(tmp_path, [*halves(), Item("turned.jpg", "train", [(1, 1, 30, 30, 0)], (64, 48))])
    Image.new("RGB", (64, 48)).save(root / "images" / "turned.jpg", exif=exif)
    assert "48x64, the annotation has 64x48, not turned as its EXIF orientation says" in problems(root)


class TestChecks:
    """Each fault is put into one picture of a sound set."""

    def write(self, root, *more, layout="voc"):
        return WRITERS[layout](root, [*halves(), *more])

    @pytest.mark.parametrize("layout", WRITERS)
    @pytest.mark.parametrize(
        ("box", "message"),
        [
            (
                (5, 5, 66, 20, 0),
                "boxes that reach more than a pixel out of their picture: 1 (PATH: [5, 5, 66, 20] in 64x48)",
            ),
            ((-40, -40, -20, -20, 0), "boxes that reach more than a pixel out of their picture: 1 (PATH: [-40, "),
            (
                (30, 5, 20, 15, 0),
                "boxes whose right or bottom edge comes before the left or top edge: 1 (PATH: [30, 5, 20",
            ),
        ],
        ids=["partly outside", "outside", "reversed"],
    )
    def test_wrong_boxes_leave_their_picture_out(self, tmp_path, layout, box, message):
        root = self.write(tmp_path, Item("z.png", "train", [(2, 2, 9, 9, 1), box], color=(99, 0, 0)), layout=layout)
        loaded = load_pictures(root, 0)
        start, _, rest = message.partition("PATH")
        (line,) = loaded.report.bad
        assert line.startswith(start) and rest in line and "z.png" in line
        assert "z.png" not in {path.name for split in loaded.splits.values() for path in split.items}

    @pytest.mark.parametrize("layout", WRITERS)
    def test_boxes_within_a_pixel_are_clipped(self, tmp_path, layout):
        root = self.write(tmp_path, Item("z.png", "train", [(-1, -0.5, 64.9, 48, 0)], color=(99, 0, 0)), layout=layout)
        loaded = load_pictures(root, 0)
        assert loaded.report.bad == ()
        (target,) = [
            t
            for path, t in zip(loaded.splits["train"].items, loaded.splits["train"].targets, strict=True)
            if path.name == "z.png"
        ]
        assert unpack(target).corners.tolist() == [[0, 0, 64, 48]]

    def test_flat_and_repeated_boxes_are_left_out_alone(self, tmp_path):
        boxes = [(5, 5, 5, 20, 0), (7, 7, 20, 20, 1), (64.5, 3, 65, 9, 1), (7, 7, 20, 20, 1), (7, 7, 20, 20, 2)]
        loaded = load_pictures(self.write(tmp_path, Item("z.png", "train", boxes, color=(99, 0, 0))), 0)
        assert loaded.report.bad == ()
        assert [line.partition(" (")[0] for line in loaded.report.notes] == [
            "boxes without an area, which are left out: 2",
            "repeated boxes of one class, of which the first counts: 1",
        ]
        (target,) = [
            t
            for path, t in zip(loaded.splits["train"].items, loaded.splits["train"].targets, strict=True)
            if path.name == "z.png"
        ]
        assert unpack(target).corners.tolist() == [[7, 7, 20, 20]] * 2 and unpack(target).labels.tolist() == [1, 2]

    def test_many_of_one_kind_are_counted_and_the_first_are_shown(self, tmp_path):
        more = [Item(f"z{i}.png", "train", [(0, 0, 99, 9, 0)], color=(99, i, 0)) for i in range(12)]
        (line,) = load_pictures(self.write(tmp_path, *more), 0).report.bad
        assert ": 12 (" in line and line.endswith(", and 9 more)")
        assert [name in line for name in ("z0.png", "z1.png", "z10.png", "z11.png")] == [True, True, True, False]

    def test_missing_and_unreadable_pictures(self, tmp_path):
        root = self.write(tmp_path, layout="coco")
        (root / "images" / "train" / "p1.png").unlink()
        (root / "images" / "train" / "p2.png").write_bytes(b"no picture")
        (root / "images" / "val" / "p3.png").write_bytes(b"")
        text = problems(root)
        assert "missing pictures: 1 (" in text and "'p1.png'" in text
        assert "unreadable pictures: 2 (" in text and "p2.png: not an image" in text and "the file is empty" in text

    @pytest.mark.parametrize("layout", ["coco", "voc"])
    def test_another_size_than_stated(self, tmp_path, layout):
        root = self.write(tmp_path, layout=layout)
        (path,) = root.rglob("p1.png")
        Image.new("RGB", (32, 24)).save(path)
        assert "p1.png: 32x24, the annotation has 64x48)" in problems(root)

    def test_a_size_of_zero_states_nothing(self, tmp_path):
        root = write_voc(tmp_path, halves())
        for file in (root / "annotations").iterdir():
            file.write_text(file.read_text().replace("<width>64<", "<width>0<").replace("<height>48<", "<height>0<"))
        assert_holds(read(root), halves())

    def test_copies_across_splits(self, tmp_path):
        val = next(item for item in halves() if item.split == "val")
        copy = Item("copy.png", "train", val.boxes, val.size, val.color)
        loaded = load_pictures(self.write(tmp_path, copy, layout="yolo"), 0)
        (line,) = loaded.report.bad
        assert line.startswith("pictures that are in two splits: 1 (") and "copy.png in train and" in line
        assert "copy.png" not in {path.name for path in loaded.splits["train"].items}
        assert val.name in {path.name for path in loaded.splits["validation"].items}

    def test_a_picture_in_two_lists(self, tmp_path):
        root = self.write(tmp_path)
        (root / "val.txt").write_text((root / "val.txt").read_text() + "p1\n")
        assert "pictures that are in two splits: 1" in problems(root)

    def test_classes_without_boxes(self, tmp_path):
        keep = [replace(item, boxes=[box for box in item.boxes if box[4] != 0]) for item in halves()]
        loaded = load_pictures(write_yolo(tmp_path / "a", keep), 0)
        assert loaded.report.fatal == ()
        assert loaded.report.notes == ("classes without a box, which the model can't learn: 1 (cat)",)
        keep = [item if item.split == "val" else other for item, other in zip(halves(), keep, strict=True)]
        report = load_pictures(write_yolo(tmp_path / "b", keep), 0).report
        assert report.fatal == ("classes with boxes outside of the training pictures only: 1 (cat)",)

    def test_no_boxes_at_all(self, tmp_path):
        report = load_pictures(write_yolo(tmp_path, [replace(item, boxes=[]) for item in halves()]), 0).report
        assert report.fatal == ("no boxes in any usable picture",)

    def test_unknown_classes_are_fatal(self, tmp_path):
        root = self.write(tmp_path / "yolo", layout="yolo")
        (root / "labels" / "train" / "p1.txt").write_text("3 0.5 0.5 0.1 0.1\n")
        assert "boxes of a class that is not among the names: 1 (" in problems(root, "fatal")
        root = self.write(tmp_path / "coco", layout="coco")
        edit(root / "annotations" / "instances_train.json", lambda d: d["annotations"][0].update(category_id=6))
        assert "category_id 6" in problems(root, "fatal")

    def test_pictures_without_annotations(self, tmp_path):
        for layout, message in (
            ("yolo", "count as pictures without objects: 1"),
            ("voc", "without an annotation file, which are left out: 1"),
        ):
            root = self.write(tmp_path / layout, layout=layout)
            (file,) = (f for f in root.rglob("p1.*") if f.suffix in (".txt", ".xml"))
            file.unlink()
            text = problems(root, "notes")
            assert message in text and "p1.png" in text
            if layout == "voc":
                assert "listed names without an annotation file: 1 (train: 'p1')" in problems(root)

    def test_voc_pictures_in_no_list(self, tmp_path):
        root = self.write(tmp_path)
        (root / "train.txt").write_text("p1\np2\n")
        assert "annotated pictures in no list of a split, which are left out: 4 (" in problems(root, "notes")

    def test_crowds_are_left_out(self, tmp_path):
        root = self.write(tmp_path, layout="coco")
        edit(root / "annotations" / "instances_train.json", lambda d: d["annotations"][0].update(iscrowd=1))
        before, after = sum(len(item.boxes) for item in halves()), load_pictures(root, 0)
        assert "crowds (iscrowd), which are left out: 1" in after.report.notes[0]
        assert sum(len(unpack(t).labels) for split in after.splits.values() for t in split.targets) == before - 1

    def test_small_and_full_pictures(self, tmp_path):
        tiny = Item("tiny.png", "train", [(0, 0, 1, 1, 0)], (1, 1))
        assert load_pictures(self.write(tmp_path / "a", tiny), 0).report.bad == ()
        grid = [(i % 100 * 2, i // 100, i % 100 * 2 + 2, i // 100 + 1, i % 3) for i in range(1000)]
        for layout in WRITERS:
            start = time.monotonic()
            full = Item("full.png", "train", grid, (200, 101))
            loaded = load_pictures(self.write(tmp_path / layout, full, layout=layout), 0)
            assert loaded.report.bad == () and loaded.splits["train"].targets.shape == (7, 1000, 5)
            assert time.monotonic() - start < 20
        many = [(i % 100 * 2, i // 100, i % 100 * 2 + 2, i // 100 + 1, i % 3) for i in range(10_000)]
        start = time.monotonic()
        more = Item("full.png", "train", many, (200, 101))
        assert "too many boxes: 1 (" in problems(self.write(tmp_path / "more", more))
        assert time.monotonic() - start < 20


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


LAUGHS = "<!DOCTYPE a [<!ENTITY a0 'ha'>{}]>".format(
    "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 12))
)

SOUND = voc_xml(Item("a", None, [(1, 2, 3, 4, 0)]))


class TestDamagedFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "not valid XML"),
            ("<annotation><object>", "not valid XML"),
            ("<html></html>", "not an <annotation>"),
            (f"{LAUGHS}<annotation>&a11;</annotation>", "has a document type"),
            ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "has a document type"),
            ("<annotation>&a;</annotation>", "not valid XML"),
            ("<a>" * 100_000, "has elements in more than 64 levels"),
            ('<?xml version="1.0" encoding="klingon"?><annotation/>', "not valid XML"),
            (SOUND.replace("<xmin>1<", "<xmin>nan<"), "<xmin> is no number: 'nan'"),
            (SOUND.replace("<xmin>1<", "<xmin>1e999<"), "<xmin> is no number"),
            (SOUND.replace("xmin", "xman"), "object 1 has no <xmin>"),
            (SOUND.replace("<name>cat</name>", ""), "object 1 has no <name>"),
            (" " * (4 * 2**20 + 1), "larger than expected"),
        ],
    )
    def test_voc(self, tmp_path, text, message):
        root = write_voc(tmp_path, halves())
        (root / "annotations" / "p1.xml").write_text(text)
        line = problems(root)
        assert line.startswith("annotations that can't be read: 1 (") and message in line and "p1.xml" in line

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("0 0.5 0.5 0.1", "line 1 is not 'CLASS X Y WIDTH HEIGHT'"),
            ("\n0 0.5 0.5 0.1 0.1 0.9", "line 2 is not"),
            ("0 0.5 0.5 0.1 x", "line 1 has something else than numbers"),
            ("0 nan 0.5 0.1 0.1", "line 1 is not"),
            ("inf 0.5 0.5 0.1 0.1", "line 1 is not"),
            ("0.5 0.5 0.5 0.1 0.1", "no whole number as its class"),
            ("-1 0.5 0.5 0.1 0.1", "no whole number as its class"),
            ("\udcff", "can't decode"),
        ],
    )
    def test_yolo(self, tmp_path, text, message):
        root = write_yolo(tmp_path, halves())
        (root / "labels" / "train" / "p1.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
        assert message in problems(root)

    def test_yolo_far_away(self, tmp_path):
        root = write_yolo(tmp_path, halves())
        (root / "labels" / "train" / "p1.txt").write_text("0 1e300 0.5 1e300 0.1\n")
        assert "reach more than a pixel" in problems(root)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("names: [cat\n", "can't be read as YAML"),
            ("- 1\n", "no annotated pictures|names stand in data.yaml"),
            ("names: []\ntrain: images/train\n", "names no classes"),
            ("names: cat\ntrain: images/train\n", "names must be a list or a table"),
            ("names: {0: a, 2: b}\ntrain: images/train\n", "names must be numbered from 0"),
            ("names: [yes, no]\ntrain: images/train\n", "put them into quotes"),
            ("names: [a, a]\ntrain: images/train\n", "2 classes are called 'a'"),
            ("names: [a, [b]]\ntrain: images/train\n", "must be a text that can be printed"),
            ('names: ["a\\e[2J"]\ntrain: images/train\n', "must be a text that can be printed"),
            ("names: [a, b]\nnc: 3\ntrain: images/train\n", "nc is 3, but there are 2 names"),
            ("names: [a]\n", "names no folder of pictures"),
            ("names: [a]\ntrain: 5\n", "train must be a folder"),
            ("names: [a]\ntrain: nowhere\n", "no 'nowhere' inside of"),
            ("names: [a]\ntrain: labels/train\n", "has no pictures"),
            ("names: [a]\ntrain: /etc\n", "no '/etc' inside of"),
            ("names: [a]\ntrain: ../../../../../../../etc\n", "inside of"),
            ('names: [a]\ntrain: "a\\0b"\n', "inside of"),
            ("names: [a]\nkpt_shape: [17, 3]\ntrain: images/train\n", "poses"),
            ("a: &a [x,x]\nb: &b [*a,*a]\nnames: [*b]\n", r"has an alias \(\*name\)"),
            ("names: " + "[" * 200_000, "nested in more than 8 levels"),
            ("names: " + "{a: " * 50_000, "nested in more than 8 levels"),
            ("- " * 100_000, "nested in more than 8 levels"),
            ("names: [a]\n" + "#" * 300_000, "larger than expected"),
            ("names: !!python/object/apply:os.system ['true']\n", "can't be read as YAML"),
        ],
    )
    def test_data_yaml(self, tmp_path, text, message):
        root = write_yolo(tmp_path, halves())
        (root / "data.yaml").write_text(text)
        with pytest.raises(DataError, match=message):
            load_pictures(root, 0)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "not valid JSON"),
            ("[" * 100_000, "not valid JSON"),
            ('{"images": [], "images": []}', "a key appears twice"),
            ('{"images": [], "annotations": [], "categories": [{"id": NaN}]}', "NaN"),
            ('{"images": [], "annotations": [], "categories": []}', "names no classes"),
            ('{"images": [], "annotations": [], "categories": [5]}', "a category needs an id"),
            ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": 2}]}', "must be a text"),
            (
                '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}',
                "has other categories than",
            ),
        ],
    )
    def test_coco(self, tmp_path, text, message):
        root = write_coco(tmp_path, halves())
        (root / "annotations" / "instances_train.json").write_text(text)
        with pytest.raises(DataError, match=message):
            load_pictures(root, 0)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "needs a bbox of four numbers"),
            (lambda d: d["annotations"][0].update(bbox=[1, 2, 3, 10**400]), "needs a bbox of four numbers"),
            (lambda d: d["annotations"][0].update(bbox=[1, 2, True, 4]), "needs a bbox of four numbers"),
            (lambda d: d["annotations"][0].update(image_id=-5), "needs the image_id of an image, got -5"),
            (lambda d: d["annotations"][0].update(image_id=[1]), "needs the image_id"),
            (lambda d: d["annotations"].append("x"), "needs the image_id"),
            (lambda d: d["images"].append({"id": 1.5, "file_name": "x"}), "an image needs an id and a file_name"),
            (lambda d: d["images"].append(7), "an image needs an id and a file_name"),
            (lambda d: d["images"].append(d["images"][0] | {"id": 900}), "that a split lists twice"),
        ],
    )
    def test_entries_of_coco(self, tmp_path, change, message):
        root = write_coco(tmp_path, halves())
        edit(root / "annotations" / "instances_train.json", change)
        assert message in problems(root)


def test_a_folder_whose_annotations_are_all_damaged(tmp_path):
    root = write_voc(tmp_path, halves())
    for file in (root / "annotations").iterdir():
        file.write_text("<annotation>")
    with pytest.raises(DataError, match=r"no annotation file names a class; annotations that can't be read: 10 \("):
        load_pictures(root, 0)


def test_a_picture_of_two_files_without_splits(tmp_path):
    root = write_coco(tmp_path, items())
    file = root / "annotations" / "instances_all.json"
    (root / "annotations" / "instances_more.json").write_text(file.read_text())
    assert "pictures that a split lists twice: 10 (" in problems(root)


class TestPathsThatLeaveTheFolder:
    @pytest.fixture
    def secret(self, tmp_path):
        save(tmp_path / "secret" / "s.png", Item("s.png", None, []))
        return tmp_path / "secret" / "s.png"

    @pytest.mark.parametrize(
        "name", ["../../../secret/s.png", "ABSOLUTE", "..\\..\\..\\secret\\s.png", "C:\\s.png", "a\0b", "link.png"]
    )
    def test_coco(self, tmp_path, secret, name):
        root = write_coco(tmp_path / "data", halves())
        (root / "images" / "train" / "link.png").symlink_to(secret)
        edit(
            root / "annotations" / "instances_train.json",
            lambda d: d["images"][0].update(file_name=name.replace("ABSOLUTE", str(secret))),
        )
        line = problems(root)
        assert line.startswith("paths that lead out of the folder: 1 (")
        names = {path.name for split in load_pictures(root, 0).splits.values() for path in split.items}
        assert not names & {"s.png", "link.png"}

    def test_yolo(self, tmp_path, secret):
        root = write_yolo(tmp_path / "data", halves())
        (root / "images" / "train" / "link.png").symlink_to(secret)
        (root / "labels" / "train" / "p1.txt").unlink()
        (tmp_path / "secret" / "s.txt").write_text("0 0.5 0.5 0.1 0.1\n")
        (root / "labels" / "train" / "p1.txt").symlink_to(tmp_path / "secret" / "s.txt")
        (root / "val.txt").write_text(f"../secret/s.png\n{secret}\nimages/val/p0.png\n")
        yaml = root / "data.yaml"
        yaml.write_text(yaml.read_text().replace("val: images/val", "val: val.txt"))
        line = problems(root)
        assert line.startswith("paths that lead out of the folder: 4 (")

    def test_voc(self, tmp_path, secret):
        root = write_voc(tmp_path / "data", halves())
        (root / "images" / "p1.png").unlink()
        (root / "images" / "p1.png").symlink_to(secret)
        (root / "annotations" / "p2.xml").unlink()
        (root / "annotations" / "p2.xml").symlink_to(secret)
        (root / "train.txt").write_text((root / "train.txt").read_text() + "../../secret/s\n")
        line = problems(root)
        assert "paths that lead out of the folder: 2 (" in line
        assert "listed names without an annotation file: 1 (train: '../../secret/s')" in line

    @pytest.mark.parametrize("layout", WRITERS)
    def test_lists_and_tables(self, tmp_path, layout):
        root = WRITERS[layout](tmp_path / "data", halves())
        file = root / {"coco": "annotations/instances_val.json", "yolo": "data.yaml", "voc": "val.txt"}[layout]
        file.rename(tmp_path / "outside")
        file.symlink_to(tmp_path / "outside")
        with pytest.raises(DataError, match="is a link that leads out of"):
            load_pictures(root, 0)

    def test_links_inside_are_followed(self, tmp_path):
        root = write_yolo(tmp_path / "data", halves())
        (root / "images" / "val" / "p0.png").rename(root / "p0.png")
        (root / "images" / "val" / "p0.png").symlink_to("../../p0.png")
        assert_holds(read(root), halves())

    def test_the_folder_itself_may_be_a_link(self, tmp_path):
        write_voc(tmp_path / "data", halves())
        (tmp_path / "link").symlink_to("data")
        assert_holds(read(tmp_path / "link"), halves())

    def test_pipes_are_not_waited_for(self, tmp_path):
        root = write_voc(tmp_path, halves())
        for path in (root / "annotations" / "p1.xml", root / "images" / "p2.png"):
            path.unlink()
            os.mkfifo(path)
        assert "is not a regular file" in problems(root)
