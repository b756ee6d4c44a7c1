"""CIFAR-10's batches: binary and pickled as Python 2 did, in a folder and in the archive; what a pickle may not do."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from label_image.errors import RunError, UserError
from retrain.convert import cifar10
from retrain.convert.cli import convert, main
from tests.test_convert_mnist import contents

Pickler: Any = vars(pickle)["_Pickler"]  # the one in Python, which lets a class write its own


class Python2(Pickler):
    """Writes bytes as Python 2 wrote its str, and NumPy's names as they were then."""

    dispatch: ClassVar[dict[type, Any]] = dict(Pickler.dispatch)

    def save_bytes(self, data):
        self.write(b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data)))
        self.write(data)
        self.memoize(data)

    def save_text(self, text):
        self.save_bytes(text.encode("latin1"))

    def save_name(self, thing, name=None):
        if getattr(thing, "__module__", "") == "numpy._core.multiarray":
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            self.memoize(thing)
        else:
            super().save_global(thing, name)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_text
    dispatch[type(pickle.dumps)] = save_name
    dispatch[type(np.zeros(1).__reduce__()[0])] = save_name


def pickled(thing):
    file = io.BytesIO()
    Python2(file, 2).dump(thing)
    return file.getvalue()


def batch(seed, count=12):
    """uint8 [count, 3072] as red, green and blue planes; labels."""
    rows = np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
    return rows, [number % 10 for number in range(count)]


NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def binary(rows, labels):
    return np.concatenate([np.array(labels, np.uint8)[:, None], rows], axis=1).tobytes()


def for_python(rows, labels, **more):
    names = [f"leptodactylus_s_{number:06d}.png" for number in range(len(labels))]
    return pickled({"batch_label": "training batch", "labels": labels, "data": rows, "filenames": names, **more})


def write(folder, form, meta=True):
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        if form is binary:
            (folder / f"{name}.bin").write_bytes(binary(*batch(seed)))
        else:
            (folder / name).write_bytes(for_python(*batch(seed)))
    if meta and form is binary:
        (folder / "batches.meta.txt").write_text("\n".join(cifar10.LABELS) + "\n\n")
    elif meta:
        (folder / "batches.meta").write_bytes(pickled({"num_cases_per_batch": 12, "label_names": list(cifar10.LABELS)}))
    (folder / "readme.html").write_text("<p>")
    return folder


def expected():
    """The pictures of the six batches, each byte put in its place by hand."""
    found = {}
    for seed, name in enumerate(NAMES):
        rows, labels = batch(seed)
        for number, label in enumerate(labels):
            pixels = bytes(int(rows[number, colour * 1024 + place]) for place in range(1024) for colour in range(3))
            which = "test" if name == "test_batch" else "train"
            found[f"{which}/{cifar10.LABELS[label]}/{name}_{number:04d}.png"] = ("RGB", pixels)
    return found


@pytest.mark.parametrize("form", [binary, for_python])
@pytest.mark.parametrize("meta", [True, False])
def test_both_forms_come_out_pixel_by_pixel(tmp_path, form, meta):
    convert("cifar10", write(tmp_path / "in", form, meta), tmp_path / "out")
    assert contents(tmp_path / "out") == expected()


@pytest.mark.parametrize(("form", "folder"), [(binary, "cifar-10-batches-bin"), (for_python, "cifar-10-batches-py")])
def test_the_archive_is_read_as_it_is_and_so_is_the_folder_around(tmp_path, form, folder):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / folder, form)
    archive = tmp_path / "cifar-10.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(
            (tmp_path / "in" / folder).iterdir(), key=lambda path: "meta" in path.name
        ):  # the names come last
            tar.add(path, f"{folder}/{path.name}")
        tar.addfile(tarfile.TarInfo("../outside/evil.bin"))
    convert("cifar10", archive, tmp_path / "out")
    convert("cifar10", tmp_path / "in", tmp_path / "out2")
    assert contents(tmp_path / "out") == contents(tmp_path / "out2") == expected()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar-10.tar.gz", "in", "out", "out2"]


def test_names_of_classes_are_the_files_own(tmp_path):
    folder = write(tmp_path / "in", for_python, meta=False)
    words = [f"thing {number}" for number in range(10)]
    (folder / "batches.meta").write_bytes(pickled({"label_names": words}))
    convert("cifar10", folder, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/train").iterdir()) == words


def test_batches_that_are_missing_are_said_and_one_alone_has_no_lists(tmp_path, capsys):
    folder = write(tmp_path / "in", binary)
    assert main(["cifar10", str(folder / "test_batch.bin"), str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "missing, and left out: data_batch_1, data_batch_2, data_batch_3, data_batch_4, data_batch_5" in said.err
    assert len(list((tmp_path / "out").glob("*/test_batch_*.png"))) == 12


def broken(tmp_path, name, data, part):
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / name).write_bytes(data)
    with pytest.raises(RunError, match=part) as caught:
        convert("cifar10", tmp_path / "in", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 1
    assert not (tmp_path / "out").exists()


class Harm:
    """Asks the unpickler to run a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_wants_to_run_a_command_is_refused_and_the_command_not_run(tmp_path):
    harm = tmp_path / "harm"
    rows, labels = batch(1)
    for data in (pickle.dumps(Harm(harm), 2), pickled({"data": Harm(harm), "labels": labels})):
        broken(tmp_path, "data_batch_1", data, r"(posix|nt)\.system is not allowed.*no code in it was run")
    (tmp_path / "in/data_batch_1").write_bytes(for_python(rows, labels))
    broken(tmp_path, "batches.meta", pickled({"label_names": Harm(harm)}), "is not allowed")
    assert not harm.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "numpy load", "numpy.core.multiarray scalar", "_codecs encode", "numpy.f2py exec_command"]
)
def test_no_name_but_the_three_is_admitted(tmp_path, name):
    module, word = name.split()
    broken(tmp_path, "data_batch_1", b"\x80\x02" + f"c{module}\n{word}\n.".encode(), "is not allowed")


def test_a_pickle_of_something_else_is_said(tmp_path):
    rows, labels = batch(1)
    whole = for_python(rows, labels)
    for data, part in (
        (pickled([1]), "a part of it has the wrong type"),
        (pickled({"data": rows}), "no data and labels"),
        (pickled({"data": rows, "fine_labels": labels}), "another data set"),
        (pickled({"data": rows, "labels": labels[:-1]}), "11 labels and 36864 bytes"),
        (pickled({"data": rows[:, :-1].copy(), "labels": labels}), r"expected shape \(12, 3072\)"),
        (pickled({"data": rows.astype(np.float32), "labels": labels}), "expected bytes"),
        (pickled({"data": np.asfortranarray(rows), "labels": labels}), "row-major order"),
        (pickled({"data": rows, "labels": [10, *labels[1:]]}), "label of picture 0 is 10"),
        (pickled({"data": rows, "labels": [-1, *labels[1:]]}), "label of picture 0 is -1"),
    ):
        broken(tmp_path, "data_batch_1", data, part)
    for size in range(0, len(whole), 997):
        broken(tmp_path, "data_batch_1", whole[:size], "cannot read data_batch_1: ")


def test_a_binary_batch_that_is_cut_or_another_is_said(tmp_path):
    data = binary(*batch(1))
    broken(tmp_path, "data_batch_1.bin", data[:-1], "not a multiple of the picture size")
    broken(tmp_path, "data_batch_1.bin", b"", "not a multiple of the picture size")
    broken(tmp_path, "data_batch_1.bin", data[:3073] + b"\x0b" + data[3074:], "label of picture 1 is 11")


def test_what_is_no_cifar_or_twice_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="no CIFAR-10 files in"):
        convert("cifar10", tmp_path / "in", tmp_path / "out")
    for name in ("data_batch_1", "data_batch_1.bin"):
        (tmp_path / "in" / name).write_bytes(binary(*batch(1)))
    with pytest.raises(UserError, match="data_batch_1 twice"):
        convert("cifar10", tmp_path / "in", tmp_path / "out")
    (tmp_path / "photo.tar.gz").write_bytes(b"\x1f\x8b junk")
    with pytest.raises(RunError, match="it is damaged .*download it again"):
        convert("cifar10", tmp_path / "photo.tar.gz", tmp_path / "out")


def test_the_test_writes_what_python_2_wrote():
    """The names and forms of the real files, so that the tests above are about them."""
    data = for_python(*batch(1))
    for part in (
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"cnumpy\nndarray\n",
        b"cnumpy\ndtype\n",
        b"U\x02u1",
        b"U\x06labels",
    ):
        assert part in data
    assert b"T" + struct.pack("<i", 12 * 3072) in data
    assert b"_codecs" not in data
    theirs = pickle.loads(data.replace(b"cnumpy.core.", b"cnumpy._core."), encoding="latin1")
    assert np.array_equal(theirs["data"], batch(1)[0])


def test_planes_become_colours(tmp_path):
    row = np.repeat(np.array([10, 20, 30], np.uint8), 1024)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/data_batch_1.bin").write_bytes(b"\x03" + row.tobytes())
    convert("cifar10", tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out/cat/data_batch_1_0000.png") as image:
        assert image.getcolors() == [(1024, (10, 20, 30))]
