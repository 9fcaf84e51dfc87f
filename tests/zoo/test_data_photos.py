"""CIFAR-10 in its binary version and the Oxford pets: what is read, downloaded and refused."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from PIL import Image

from runtime.errors import DataError
from tests.zoo.server import md5, served
from zoo.data import Classes, Images, load_dataset


def write_cifar(folder, size=20, test=True):
    """Write batches of images whose red is their place, whose green is their row and whose blue is their label."""
    folder.mkdir(parents=True)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"] * test
    for number, name in enumerate(names):
        labels = np.arange(size) % 10
        images = np.empty((size, 3, 32, 32), np.uint8)
        images[:, 0] = (number * size + np.arange(size))[:, None, None]
        images[:, 1] = np.arange(32)[:, None]
        images[:, 2] = labels[:, None, None]
        records = np.concatenate([labels[:, None], images.reshape(size, -1)], axis=1).astype(np.uint8)
        (folder / name).write_bytes(records.tobytes())
    return folder


def test_cifar10(tmp_path):
    folder = write_cifar(tmp_path / "cifar-10-batches-bin")
    dataset = load_dataset(f"cifar10:{folder}", 0)
    assert (dataset.name, dataset.content) == ("cifar10", Images("RGB", (32, 32)))
    assert dataset.target.labels[3] == "cat"
    assert dataset.origin().samples == {"train": 90, "validation": 10, "test": 20}
    for split in dataset.splits.values():
        for item, target in zip(split.items, split.targets, strict=True):
            assert (item.shape, item.dtype) == ((32, 32, 3), np.uint8)
            assert (item[:, :, 2] == target).all()
            assert (item[:, :, 1] == np.arange(32)[:, None]).all()
    trained = [item[0, 0, 0] for name in ("train", "validation") for item in dataset.splits[name].items]
    assert sorted(trained) == list(range(100))
    assert [item[0, 0, 0] for item in dataset.splits["test"].items] == list(range(100, 120))


def test_cifar10_may_lack_its_test_batch(tmp_path):
    dataset = load_dataset(f"cifar10:{write_cifar(tmp_path / 'data', test=False)}", 0)
    assert list(dataset.splits) == ["train", "validation"]


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (
            "data_batch_3.bin",
            lambda data: None,
            "has no data_batch_3.bin; give the folder of CIFAR-10's binary version",
        ),
        ("data_batch_3.bin", lambda data: data[:-1], r"data_batch_3.bin: not whole records .* \(61459 bytes\)"),
        ("data_batch_5.bin", lambda data: b"", r"data_batch_5.bin: not whole records .* \(0 bytes\)"),
        ("test_batch.bin", lambda data: b"\x0a" + data[1:], "test_batch.bin: a label is 10; they are 0 to 9"),
    ],
    ids=["absent", "cut short", "empty", "no such class"],
)
def test_damaged_batches_are_named(tmp_path, name, damage, message):
    file = write_cifar(tmp_path / "data") / name
    data = damage(file.read_bytes())
    file.unlink()
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_dataset(f"cifar10:{tmp_path / 'data'}", 0)


def test_a_missing_cifar10_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path / 'none'}: no such folder"):
        load_dataset(f"cifar10:{tmp_path / 'none'}", 0)


PETS = {"Abyssinian": 1, "beagle": 2, "Bombay": 1, "pug": 2}


def write_pets(folder, tested=True):
    """Write 10 small images of each breed, of which the last two are held out."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    parts = {"list": ["#Image CLASS-ID SPECIES BREED ID"], "trainval": [], "test": []}
    for breed, (name, species) in enumerate(PETS.items(), 1):
        for i in range(1, 11):
            line = f"{name}_{i} {breed} {species} 1"
            parts["list"].append(line)
            parts["trainval" if i < 9 else "test"].append(line)
            Image.new("RGB", (9 + i, 12), (20 * i, 60 * breed, 0)).save(folder / "images" / f"{name}_{i}.jpg")
    for part, lines in parts.items():
        if tested or part == "list":
            (folder / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("tested", [True, False])
def test_oxford_pets(tmp_path, tested):
    dataset = load_dataset(f"oxford-pets:{write_pets(tmp_path / 'pets', tested)}", 0)
    assert (dataset.content, dataset.target) == (Images("RGB", None), Classes(("cat", "dog")))
    sizes = {"train": 26, "validation": 6, "test": 8} if tested else {"train": 32, "validation": 8}
    assert dataset.origin().samples == sizes
    for split in dataset.splits.values():
        assert [PETS[item.name.split("_")[0]] - 1 for item in split.items] == split.targets.tolist()
        assert all(item.is_file() for item in split.items)
    assert {item.stem.split("_")[1] for item in dataset.splits.get("test", dataset.splits["train"]).items} >= {
        "9",
        "10",
    }
    assert len({item for split in dataset.splits.values() for item in split.items}) == 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "list.txt: can't be read .*; give the folder that holds the set's annotations/ and images/"),
        ("# nothing\n\n", "list.txt: lists no images"),
        ("pug_1 1 2 1\npug_2 1 2\n", "list.txt: line 2 is not 'IMAGE CLASS SPECIES BREED'"),
        ("pug_1 1 3 1\n", "list.txt: line 1 is not .* with species 1 or 2: 'pug_1 1 3 1'"),
        ("../../secret 1 2 1\n", "list.txt: line 1 is not"),
        ("\ud83d".encode("utf-8", "surrogatepass"), "list.txt: can't be read"),
    ],
    ids=["absent", "empty", "short line", "no species", "another folder", "no text"],
)
def test_damaged_lists_are_named(tmp_path, text, message):
    file = write_pets(tmp_path / "pets") / "annotations" / "list.txt"
    file.unlink()
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        load_dataset(f"oxford-pets:{tmp_path / 'pets'}", 0)


def archive(file, *folders):
    with tarfile.open(file, "w:gz") as tar:
        for folder in folders:
            tar.add(folder, folder.name)
    return file


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Archives of both sets on a server, in a true layout."""
    files = tmp_path / "server"
    files.mkdir()
    cifar = archive(files / "cifar-10-binary.tar.gz", write_cifar(tmp_path / "made" / "cifar-10-batches-bin"))
    pets = write_pets(tmp_path / "made" / "pets")
    archives = [archive(files / f"{part}.tar.gz", pets / part) for part in ("images", "annotations")]
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("zoo.data.cifar10.MD5", md5(cifar))
    with served(files) as address:
        monkeypatch.setattr("zoo.data.cifar10.URL", f"{address}{cifar.name}")
        resources = [(f"{address}{file.name}", md5(file)) for file in archives]
        monkeypatch.setattr("torchvision.datasets.OxfordIIITPet._RESOURCES", resources)
        yield files


@pytest.mark.parametrize("source", ["cifar10", "oxford-pets"])
def test_what_is_missing_is_downloaded_once(source, server, tmp_path):
    dataset = load_dataset(source, 0)
    assert sum(dataset.origin().samples.values()) == {"cifar10": 120, "oxford-pets": 40}[source]
    for file in server.iterdir():
        file.unlink()
    assert load_dataset(source, 0).origin() == dataset.origin()


@pytest.mark.parametrize("source", ["cifar10", "oxford-pets"])
def test_a_download_that_came_wrong_is_refused_and_not_kept(source, server, tmp_path):
    for name in ("cifar-10-binary.tar.gz", "annotations.tar.gz"):
        (server / name).write_bytes((server / name).read_bytes()[:-50])
    with pytest.raises(DataError, match=f"{source} can't be downloaded .* {source}:PATH"):
        load_dataset(source, 0)
    assert [*(tmp_path / "cache").iterdir()] == []
