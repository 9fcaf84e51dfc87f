"""Labels of every script go through every command; control characters of names reach no terminal."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from rich.table import Table

from runtime import InputError, ZooError
from runtime.bundle import Bundle
from runtime.printable import escape_controls, is_printable
from runtime.tasks import Classification
from zoo.data.folder import load
from zoo.imports.labels import from_lines
from zoo.terminal import note, say, say_json
from zoo.terminal.console import Console

LABELS = (
    "क्‍ष",  # with a zero-width joiner
    "می‌خواهم",  # with a zero-width non-joiner, from right to left
    "10 km",  # with a no-break space
    "黒　猫",  # with an ideographic space
    "👩‍👩‍👧",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",  # England's flag, of tag characters
    "🫩",  # newer than Python 3.11
    "שָׁלוֹם‎",
    "é",  # two code points
)
HOSTILE = "\x1b]0;owned\x07\x9b31m\nzoo: all is well\r\u2028\u202etxt"


@pytest.mark.parametrize("label", LABELS)
def test_a_label_of_every_script_is_taken(label):
    assert Classification("classification", "logits", (label, "other")).labels[0] == label
    assert from_lines(f"\ufeff{label}\nother\n") == (label, "other")
    assert escape_controls(label) == label == str(ZooError(label))


@pytest.mark.parametrize("char", [chr(i) for i in (0, 9, 10, 13, 27, 127, 0x85, 0x9B, 0x2028, 0x2029, 0x202E, 0x2066)])
def test_a_label_with_a_control_character_is_refused(char, tmp_path):
    with pytest.raises(ValueError, match="printable names"):
        Classification("classification", "logits", (f"a{char}b", "other"))
    assert all(map(is_printable, from_lines(f"a{char}b\nother")))
    if char != "\0":
        for name in (f"a{char}b", "other"):
            (tmp_path / name).mkdir()
            Image.new("L", (8, 8)).save(tmp_path / name / "a.png")
        with pytest.raises(ZooError, match="holds control characters; rename it"):
            load(tmp_path, 0)


def test_labels_of_every_script_from_folders_to_answers(cli, tmp_path):
    photos = tmp_path / "photos"
    for level, label in enumerate(LABELS):
        (photos / label).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (8, 8), 28 * level + i).save(photos / label / f"{i}.png")
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    data = f"folder:{photos}"
    assert all(label in cli("data", data).out for label in LABELS)
    done = cli("train", "mlp", "--data", data, "--out", run, "--epochs", "1", "--set", "hidden=[4]", "--set", "size=8")
    assert done.status == 0, done.err
    done = cli("export", run, "--out", bundle, "--format", "onnx")
    assert done.status == 0, done.err
    labels = Bundle.read(bundle).manifest.model.output.labels
    assert sorted(labels) == sorted(LABELS)
    card = (bundle / "README.md").read_text("utf-8")
    assert all(label in card for label in LABELS)
    answer = json.loads(cli("predict", bundle, photos / LABELS[0] / "0.png", "--json").out)["predictions"][0]
    assert answer["label"] in LABELS
    assert cli("predict", bundle, photos / LABELS[0] / "0.png", "--out", tmp_path / "out.csv").status == 0
    assert answer["label"] in (tmp_path / "out.csv").read_text("utf-8-sig")


def steers(text):
    """Say whether a terminal would obey something in a text, or take it for another line."""
    return not all(map(is_printable, text.split("\n"))) or "\nzoo: all is well" in text


def test_names_of_files_steer_no_terminal(cli, tmp_path, save_image, photo):
    folder = tmp_path / HOSTILE
    folder.mkdir()
    good = folder / f"good{HOSTILE}.png"
    Image.fromarray(photo).save(good)
    bad = folder / f"bad{HOSTILE}.png"
    bad.write_text("no image")
    two = folder / "two.gif"
    Image.new("L", (8, 8)).save(two, save_all=True, append_images=[Image.new("L", (8, 8), 9)])
    for words in (
        ("predict", "mnist-cnn", good, bad, two),
        ("predict", "mnist-cnn", good, bad, two, "--json"),
        ("predict", "mnist-cnn", folder, "--out", folder / "out.csv"),
        ("predict", "mnist-cnn", good, "--annotate", folder / "out.png"),
        ("predict", good, good),
        ("predict", f"mnist{HOSTILE}", good),
        ("predict", "mnist-cnn", good, "--engine", HOSTILE),
        ("info", folder),
        ("verify", folder),
        ("data", f"folder:{folder}"),
        ("data", f"csv:{bad}", "--target", HOSTILE),
        ("summary", HOSTILE),
        ("evaluate", "mnist-cnn", "--data", HOSTILE),
        ("import", bad),
        (HOSTILE,),
        ("info", HOSTILE, "--json"),
    ):
        result = cli(*words)
        assert not steers(result.out), words
        assert not steers(result.err), words
        if "--json" in words and result.out:
            names = [each["input"] for each in json.loads(result.out)["predictions"]]
            assert names == [str(good), str(two)], "as they are, once they are read"


def test_lines_json_and_tables_write_controls_out(capsys):
    say(HOSTILE)
    note(HOSTILE)
    say_json({HOSTILE: HOSTILE})
    out, err = capsys.readouterr()
    assert not steers(out + err)
    assert json.loads(out.partition("\n")[2]) == {HOSTILE: HOSTILE}
    for on_terminal in (False, True):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=on_terminal, color_system=None, width=300)
        table = Table(HOSTILE, title=HOSTILE)
        table.add_row(HOSTILE)
        console.print(table)
        console.print(HOSTILE, ":cat:", markup=False, soft_wrap=True)
        assert shown.getvalue().count(escape_controls(HOSTILE)) == 4
        assert ":cat:" in shown.getvalue()
        assert not steers(shown.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", ""))


def test_an_error_about_a_name_is_one_line():
    assert str(InputError(HOSTILE)) == r"\x1b]0;owned\x07\x9b31m\nzoo: all is well\r\u2028\u202etxt"
