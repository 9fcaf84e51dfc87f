"""Options: from `--set` and TOML to checked dataclasses, and help for every one of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from runtime.errors import OptionError
from zoo.options import apply, divide, options_of, parse_settings, read_toml
from zoo.recipes import Training, descriptions, recipe

RECIPES = sorted(descriptions("zoo.recipes"))


@dataclass(frozen=True)
class Brew:
    """Options of a test."""

    strength: float = 0.5
    """How strong,
    from 0 to 1."""
    cups: tuple[int, ...] = (1, 2)
    roast: Literal["light", "dark"] = "dark"
    """How dark."""
    milk: bool = False
    """Whether with milk."""

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be 0 to 1, got {self.strength}")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("k=3", 3),
        ("k=0.01", 0.01),
        ("k=1e-3", 0.001),
        ("k=true", True),
        ("k=[16,32]", [16, 32]),
        ('k=["shift", "flip"]', ["shift", "flip"]),
        ('k="3"', "3"),
        ("k=head", "head"),
        ("k=a=b", "a=b"),
        ("k=[16,", "[16,"),
        ("k=", ""),
        (" k =3", 3),
    ],
)
def test_a_value_is_toml_or_else_text(setting, value):
    (pair,) = parse_settings([setting]).items()
    assert pair == ("k", value)
    assert type(pair[1]) is type(value)


def test_the_last_setting_of_a_key_counts():
    assert parse_settings(["lr=1", "epochs=2", "lr=3"]) == {"lr": 3, "epochs": 2}


@pytest.mark.parametrize("setting", ["lr", "=3", " =3", ""])
def test_a_setting_without_key_or_value_is_refused(setting):
    with pytest.raises(OptionError, match=r"--set takes key=value"):
        parse_settings([setting])


def test_given_values_replace_defaults():
    made = apply(Brew(milk=True), {"strength": 1, "cups": [3], "roast": "light"}, "options")
    assert made == Brew(strength=1.0, cups=(3,), roast="light", milk=True)
    assert type(made.strength) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strength": "strong"}, "options.strength: expected float, got 'strong'"),
        ({"strength": True}, "options.strength: expected float, got True"),
        ({"strength": 1.5}, "options: strength must be 0 to 1, got 1.5"),
        ({"strength": float("nan")}, "options.strength: expected .*, got nan"),
        ({"cups": 3}, "options.cups: expected list of int, got 3"),
        ({"cups": [1, 2.5]}, r"options.cups\[1\]: expected int, got 2.5"),
        ({"roast": "drak"}, "options.roast: unknown value 'drak' .did you mean 'dark'.*; choose from: dark, light"),
        ({"milk": 1}, "options.milk: expected true or false, got 1"),
        ({"strenght": 1}, "options: unknown field 'strenght' .did you mean 'strength'"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(values, message):
    with pytest.raises(OptionError, match=message):
        apply(Brew(), values, "options")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"workers": -1}, "workers must be at least 0"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"lr": 0}, "lr must be"),
        ({"lr": float("inf")}, "training.lr: expected .*, got inf"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"weight_decay": float("nan")}, "training.weight_decay: expected .*, got nan"),
        ({"label_smoothing": 1}, "label_smoothing"),
        ({"augment": ["shfit"]}, r"augment\[0\]: unknown value 'shfit' .did you mean 'shift'"),
        ({"precision": 16}, "precision: unknown value 16"),
        ({"epochs": 2.5}, "epochs: expected int, got 2.5"),
    ],
)
def test_training_options_are_checked(values, message):
    with pytest.raises(OptionError, match=message):
        apply(Training(), values, "training")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("mlp", {"hidden": [0]}),
        ("mlp", {"dropout": 1}),
        ("cnn", {"widths": []}),
        ("cnn", {"hidden": 0}),
        ("transfer", {"size": 8}),
        ("transfer", {"mode": "all"}),
        ("transfer", {"dropout": -0.1}),
    ],
)
def test_recipe_options_are_checked(name, values):
    with pytest.raises(OptionError, match=next(iter(values))):
        apply(recipe(name).options(), values, name)


def test_settings_are_shared_out_by_name():
    assert divide({"strength": 1, "lr": 2, "milk": True}, Brew, Training) == [{"strength": 1, "milk": True}, {"lr": 2}]


def test_an_unknown_option_is_answered_with_the_nearest_name():
    with pytest.raises(OptionError, match=r"unknown option 'epoch' \(did you mean 'epochs'\?\); choose from: .*milk"):
        divide({"epoch": 1}, Brew, Training)


def test_the_docstring_under_a_field_is_its_help():
    options = {option.name: option for option in options_of(Brew)}
    assert options["strength"].help == "How strong, from 0 to 1."
    assert options["cups"].help == ""
    assert options["milk"].help == "Whether with milk."
    assert (options["cups"].kind, options["cups"].default) == ("list of int", (1, 2))
    assert options["roast"].kind == "light | dark"


@pytest.mark.parametrize("cls", [Training, *(recipe(name).options for name in RECIPES)], ids=["training", *RECIPES])
def test_every_option_has_help_and_a_default(cls):
    for option in options_of(cls):
        assert option.help.endswith("."), option.name
    assert apply(cls(), {}, "defaults") == cls()


def test_an_augmentation_is_known_by_its_name_of_earlier_releases():
    assert apply(Training(), {"augment": ["flip", "colour"]}, "--set").augment == ("flip", "color")


@pytest.mark.parametrize("name", RECIPES)
def test_no_recipe_takes_a_name_of_the_training_options(name):
    own, general = ({field.name for field in dataclasses.fields(cls)} for cls in (recipe(name).options, Training))
    assert not own & general


@pytest.mark.parametrize("package", ["zoo.recipes", "zoo.data", "export.formats"])
def test_every_module_says_in_one_line_what_it_is_for(package):
    purposes = descriptions(package)
    assert purposes
    for name, line in purposes.items():
        assert 20 < len(line) < 120, f"{name}: {line}"


def test_a_toml_file_holds_the_same_keys(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('lr = 0.1\nwidths = [4, 8]\nmode = "head"\n')
    assert read_toml(file) == {"lr": 0.1, "widths": [4, 8], "mode": "head"}


@pytest.mark.parametrize("content", [None, b"lr = ", b"\xff\xfe"])
def test_a_toml_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "config.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OptionError, match=r"config\.toml: can't be read as TOML"):
        read_toml(file)


def test_an_unknown_recipe_is_answered_with_the_nearest_name():
    with pytest.raises(OptionError, match=r"unknown recipe 'cn' \(did you mean 'cnn'\?\)"):
        recipe("cn")


def test_a_list_needs_no_quotes():
    assert parse_settings(["augment=[shift, flip]", "widths=[8, 16]"]) == {
        "augment": ["shift", "flip"],
        "widths": [8, 16],
    }
