"""Malicious files: opening one runs no code of it, writes nothing, reads no other file, and ends in one line.

Each row makes a file and states the expected message. The marker is what the file would write if it were trusted; the secret is
what it would read. Keras files have a table of their own in test_keras_files.py, archives and addresses in test_download.py.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from label_image.cli import main as label
from label_image.errors import RunError, UserError
from label_image.quiet import tensorflow
from retrain.formats.graph_def import constant, operation
from tests.colour_graphs import SIDE, graph_of
from tests.conftest import write_photo
from tests.test_detectors_tflite import colour_tflite
from tests.test_tfhub import plan_of

MARKER, SECRET = "marker", "secret"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A temporary folder with a secret in it; after the test it must contain no marker."""
    inside = tmp_path / "place"
    inside.mkdir()
    monkeypatch.chdir(inside)
    (tmp_path / SECRET).write_text("secret words")
    yield inside
    assert not list(tmp_path.rglob(f"*{MARKER}*"))


def string(graph, name, words):
    return constant(graph, name, words.encode())


def node(graph, op, name, inputs=(), **types):
    made = graph.node.add(op=op, name=name, input=list(inputs))
    for key, value in types.items():
        made.attr[key].type = value
    return made


# --- graphs: operations between the image and the scores


def writes(graph, source):
    """A write on which the rest of the graph depends."""
    node(graph, "WriteFile", "evil", [string(graph, "where", MARKER), string(graph, "what", "x")])
    passed = node(graph, "Identity", "passed", [source, "^evil"], T=1)
    return passed.name


def beside(graph, source):
    node(graph, "WriteFile", "evil", [string(graph, "where", MARKER), string(graph, "what", "x")])
    return source


def reads(graph, source):
    node(graph, "ReadFile", "evil", [string(graph, "where", f"../{SECRET}")])
    return node(graph, "Identity", "passed", [source, "^evil"], T=1).name


def prints(graph, source):
    printed = node(graph, "PrintV2", "evil", [string(graph, "what", "x")])
    printed.attr["output_stream"].s = f"file://{Path.cwd()}/{MARKER}".encode()
    return node(graph, "Identity", "passed", [source, "^evil"], T=1).name


def saves(graph, source):
    names = [string(graph, "prefix", MARKER), "names", "slices", "value"]
    for name in ("names", "slices"):
        made = node(graph, "Const", name, dtype=7)
        made.attr["value"].tensor.dtype = 7
        made.attr["value"].tensor.tensor_shape.dim.add(size=1)
        made.attr["value"].tensor.string_val.append(b"")
    constant(graph, "value", np.zeros(1, np.float32))
    node(graph, "SaveV2", "evil", names).attr["dtypes"].list.type.append(1)
    return node(graph, "Identity", "passed", [source, "^evil"], T=1).name


def of_kind(op):
    def middle(graph, source):
        node(graph, op, "evil")
        return node(graph, "Identity", "passed", [source, "^evil"], T=1).name

    return middle


def function(graph, name, op="WriteFile"):
    made = graph.library.function.add()
    made.signature.name = name
    made.node_def.add(op=op, name="inner")
    return made


def calls(graph, source):
    function(graph, "harmless_looking")
    call = node(graph, "StatefulPartitionedCall", "call")
    call.attr["f"].func.name = "harmless_looking"
    return node(graph, "Identity", "passed", [source, "^call"], T=1).name


def disguised(graph, source):
    """A function with the name of a built-in operation, so that the name seems to be defined in the file."""
    function(graph, "WriteFile", "NoOp")
    return writes(graph, source)


def calls_a_built_in(graph, source):
    call = node(graph, "StatefulPartitionedCall", "evil")
    call.attr["f"].func.name = "WriteFile"
    return node(graph, "Identity", "passed", [source, "^evil"], T=1).name


def loops(graph, source):
    function(graph, "body", "PyFunc")
    made = node(graph, "While", "evil")
    made.attr["body"].func.name = "body"
    return source


def fills(graph, source):
    sides = constant(graph, "sides", np.array([10_000, 10_000, 10_000], np.int32))
    node(graph, "Fill", "evil", [sides, constant(graph, "zero", np.array(0, np.float32))], T=1, index_type=3)
    total = node(graph, "Sum", "total", ["evil", constant(graph, "axes", np.arange(3, dtype=np.int32))], T=1, Tidx=3)
    return operation(graph, "Add", "passed", [source, total.name])


def claims(graph, source):
    made = node(graph, "Const", "evil", dtype=1)
    made.attr["value"].tensor.dtype = 1
    made.attr["value"].tensor.float_val.append(0.0)
    made.attr["value"].tensor.tensor_shape.dim.add(size=10**12)
    return source


def with_our_metadata(graph, source):
    """As our own exports carry it: such a file goes another way."""
    metadata = {
        "format": 1,
        "labels": ["a", "b", "c"],
        "height_px": SIDE,
        "width_px": SIDE,
        "mean": [0.0],
        "std": [1.0],
    }
    metadata |= {"input_layer": "input", "output_layer": "final_result", "training": {}}
    string(graph, "retrain_card", json.dumps(metadata))
    return writes(graph, source)


GRAPHS = {
    "writes a file": (writes, "its node 'evil' is a WriteFile"),
    "writes a file beside the way to the scores": (beside, "its node 'evil' is a WriteFile"),
    "writes a file, with our metadata": (with_our_metadata, "its node 'evil' is a WriteFile"),
    "reads a file": (reads, "its node 'evil' is a ReadFile"),
    "prints to a file": (prints, "its node 'evil' is a PrintV2"),
    "saves a checkpoint": (saves, "its node 'evil' is a SaveV2"),
    **{
        f"uses {op}": (of_kind(op), f"its node 'evil' is a {op}")
        for op in (
            "PyFunc", "EagerPyFunc", "PyFuncStateless", "ImmutableConst", "MatchingFiles", "DecodeProtoV2", "TFRecordDataset",
            "MergeV2Checkpoints", "LoadDataset", "SaveDataset", "WriteRawProtoSummary", "TPUExecute", "XlaLaunch", "DebugIdentity",
            "RemoteCall", "SendTPUEmbeddingGradients", "GenerateVocabRemapping", "CreateSummaryFileWriter", "AnOpOfTheFuture",
        )
    },
    "writes in a function": (calls, "its node 'inner' is a WriteFile"),
    "calls Python in a loop's function": (loops, "its node 'inner' is a PyFunc"),
    "brings a function called WriteFile": (disguised, "a function called 'WriteFile'"),
    "calls WriteFile as a function": (calls_a_built_in, "calls 'WriteFile', which it does not define"),
    "fills the memory": (fills, "'evil' outputs 1,000,000,000,000 numbers"),
    "claims a large constant": (claims, "its constant 'evil' declares 1,000,000,000,000 numbers"),
}  # fmt: skip


def said_of(path, capfd, status=1):
    """Returns the one line with which label_image ends."""
    photo = write_photo(Path("photo.jpg"), (9, 9, 9), 1, (SIDE, SIDE))
    capfd.readouterr()
    assert label([f"--graph={path}", f"--image={photo}"]) == status
    line = capfd.readouterr().err
    assert line.count("\n") == 1, line
    assert "secret words" not in line
    return line


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_does_more_than_compute_is_refused_by_name(name, place, capfd):
    middle, said = GRAPHS[name]
    assert said in said_of(graph_of(place / "g.pb", middle), capfd)


def test_unused_operations_of_training_are_ignored(place, capfd):
    def left(graph, source):
        saves(graph, source)
        return source

    write_photo(Path("photo.jpg"), (20, 200, 210), 1, (SIDE, SIDE))
    assert label([f"--graph={graph_of(place / 'g.pb', left)}", "--image=photo.jpg"]) == 0
    assert "cyan" in capfd.readouterr().out


# --- SavedModels


def saved(folder, *, evil=lambda tf: None, beside=None):
    """A SavedModel that labels by mean colour and runs `evil` when it is called."""
    tf: Any = tensorflow()

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)])
        def __call__(self, images):
            evil(tf)
            return tf.nn.softmax(tf.reduce_mean(images, [1, 2]) * self.kernel)

    module = Module()
    module.kernel = tf.Variable(np.ones(3, np.float32), name="kernel")
    if beside:
        beside(tf, module)
    tf.saved_model.save(module, str(folder), {"serving_default": module.__call__.get_concrete_function()})
    return folder


def write(tf):
    tf.io.write_file(f"{Path.cwd()}/{MARKER}", "x")


def edited(change):
    """A valid SavedModel whose saved_model.pb is changed afterwards."""

    def make(folder):
        from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

        saved(folder)
        found = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        change(found.meta_graphs[0])
        (folder / "saved_model.pb").write_bytes(found.SerializeToString())
        return folder

    return make


def write_on_restore(meta):
    restore = next(f for f in meta.graph_def.library.function if "traced_restore" in f.signature.name)
    for name in ("where", "what"):
        made = restore.node_def.add(op="Const", name=name)
        made.attr["dtype"].type = made.attr["value"].tensor.dtype = 7
        made.attr["value"].tensor.string_val.append(MARKER.encode())
    restore.node_def.add(op="WriteFile", name="evil", input=["where:output:0", "what:output:0"])


def write_on_start(meta):
    node(meta.graph_def, "WriteFile", "evil", [string(meta.graph_def, "where", MARKER), "where"])
    meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "evil"


def initialised(tf, module):
    """An object whose initialiser writes; TensorFlow's loader would run it."""
    from tensorflow.python.trackable.resource import CapturableResource

    class Resource(CapturableResource):
        def _create_resource(self):
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="t")

        def _initialize(self):
            tf.io.write_file(f"{Path.cwd()}/{MARKER}2", "x")

    module.resource = Resource()
    module.look = tf.function(
        lambda: tf.raw_ops.LookupTableSizeV2(table_handle=module.resource.resource_handle), input_signature=[]
    )


def listed(tf, module):
    """A table that is initialised from a file in the folder."""
    Path("words.txt").write_text("a\nb\n")
    rows = tf.lookup.TextFileInitializer(
        "words.txt", tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    module.table = tf.lookup.StaticHashTable(rows, -1)
    module.look = tf.function(module.table.lookup, input_signature=[tf.TensorSpec([], tf.string)])


def called_by_name(folder):
    """With our metadata beside it, as our own exports have."""
    saved(folder, evil=write)
    metadata = {
        "format": 1,
        "labels": ["a", "b", "c"],
        "height_px": SIDE,
        "width_px": SIDE,
        "mean": [0.0],
        "std": [255.0],
    }
    (folder / "assets.extra").mkdir()
    metadata |= {"input_layer": "image", "output_layer": "prediction", "training": {}}
    (folder / "assets.extra/retrain_card.json").write_text(json.dumps(metadata))
    return folder


SAVED_MODELS = {
    "writes when it is called": (lambda folder: saved(folder, evil=write), "is a WriteFile"),
    "writes when it is called, with our metadata": (called_by_name, "is a WriteFile"),
    "calls Python": (
        lambda folder: saved(folder, evil=lambda tf: tf.py_function(lambda: None, [], [])),
        "is a EagerPyFunc",
    ),
    "writes when it is restored": (edited(write_on_restore), "its node 'evil' is a WriteFile"),
    "writes when it is started": (edited(write_on_start), "its node 'evil' is a WriteFile"),
    "writes when a table is initialised": (lambda folder: saved(folder, beside=initialised), "is a WriteFile"),
}


@pytest.mark.parametrize("name", SAVED_MODELS)
def test_a_saved_model_that_does_more_than_compute_is_refused_by_name(name, place, capfd):
    make, said = SAVED_MODELS[name]
    folder = make(place / "m")
    for path in place.parent.rglob(f"*{MARKER}*"):
        path.unlink()  # TensorFlow runs an initialiser once when it saves it
    assert said in said_of(folder, capfd)


def test_a_table_that_the_scores_do_not_need_is_ignored(place, capfd):
    folder = saved(place / "m", beside=listed)
    shutil.rmtree(folder / "assets")
    (folder / "assets").mkdir()
    (folder / "assets/words.txt").symlink_to(place.parent / SECRET)
    write_photo(Path("photo.jpg"), (250, 10, 10), 1, (SIDE, SIDE))
    assert label([f"--graph={folder}", "--image=photo.jpg"]) == 0
    assert capfd.readouterr().out.strip().splitlines()[-3].startswith("class 0")


def test_a_variable_that_declares_more_than_is_stored_is_refused(place, capfd):
    folder = saved(place / "m")
    data = folder / "variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1])
    assert "cannot" in said_of(folder, capfd)


def hub_module(folder, *, evil):
    tf: Any = tensorflow()

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 12, 10, 3], tf.float32)])
        def __call__(self, images):
            if evil:
                write(tf)
            return tf.reduce_mean(images, [1, 2]) * self.kernel

    module = Module()
    module.kernel = tf.Variable(np.ones(3, np.float32))
    tf.saved_model.save(module, str(folder))
    return folder


def test_a_hub_module_that_writes_is_refused_for_features_and_for_training(place):
    from retrain.backbones.families.tfhub import load_module
    from retrain.backbones.model_folder import FoundWeights
    from retrain.backbones.prepare import prepare

    folder = hub_module(place / "hub", evil=True)
    with pytest.raises(RunError, match=r"cannot use the module .*is a WriteFile"):
        prepare(plan_of(folder, place / "models").network, print)
    with pytest.raises(RunError, match="is a WriteFile"):
        load_module(FoundWeights("", "hub", folder))


def test_a_hub_module_with_a_hidden_write_in_its_restore_or_a_table_is_not_trained(place):
    from retrain.backbones.families.tfhub import load_module
    from retrain.backbones.model_folder import FoundWeights

    with pytest.raises(RunError, match="is a WriteFile"):
        load_module(FoundWeights("", "hub", edited(write_on_restore)(place / "a")))
    with pytest.raises(RunError, match="contains tables or files"):
        load_module(FoundWeights("", "hub", saved(place / "b", beside=listed)))


# --- all other formats: the function that makes the file, the function that opens it, the message


class Evil:
    """A pickle that runs a command when it is opened."""

    def __reduce__(self):
        return os.system, (f"touch {MARKER}",)


MANY = b"\x80\x02Nr\xff\xff\xff\x0f."  # stores None as memo entry 268,435,455, which takes 2 GiB


def objects(path):
    np.savez(path, meta=np.array([Evil()], object))
    return path


def tar_of(name, **info):
    def make(path):
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo(name)
            for key, value in info.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(b"x" * member.size))
        return path

    return make


def zip_of(name, mode=0):
    def make(path):
        with zipfile.ZipFile(path, "w") as archive:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, f"../{SECRET}")
        return path

    return make


def bytes_of(data):
    def make(path):
        path.write_bytes(data)
        return path

    return make


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def onnx_of(initializer=b"", node=b""):
    graph = field(5, initializer) if initializer else field(1, node)
    return bytes_of(b"\x08\x08" + field(7, graph))


def deep(path):
    path.write_text("[" * 200_000)
    return path


def graph_with(name, text="[" * 200_000):
    def make(path):
        graph_of(path)
        (path.parent / name).write_text(text)
        if name != "labels.txt":
            (path.parent / "labels.txt").unlink()
        return path

    return make


def custom(path):
    """A .tflite whose only operation is a custom one, like those of the Flex delegate."""
    from retrain.formats.tflite_model import TfliteModel

    model = TfliteModel()
    source, result = model.tensor("input", [1, 4, 4, 3]), model.tensor("scores", [1, 3])
    model.graph.inputs, model.graph.outputs = np.array([source], np.int32), np.array([result], np.int32)
    model.operator("CUSTOM", [source], result)
    model._model.operatorCodes[0].customCode = b"FlexWriteFile"
    path.write_bytes(model.to_bytes())
    return path


def opened(path):
    from label_image import Classifier

    return Classifier(path)


def unpacked(path):
    from retrain.files.archive import unpack

    return unpack(path, path.parent / "out")


def snapshot(path):
    from retrain.head.snapshots import read_snapshot

    return read_snapshot(path)


def converted(kind):
    def convert(path):
        from retrain.convert.cli import convert as work

        return work(kind, path, path.parent / "out")

    return convert


def record(path):
    from retrain.runs.record import read_record

    return read_record(path)


def torch(path):
    from retrain.formats.torch_pickle import read_state

    try:
        return read_state(path.read_bytes())
    except ValueError as error:
        raise RunError(str(error)) from None


OTHERS = {
    "an .npz of objects": ("s.npz", objects, snapshot, "not a complete snapshot"),
    "a .pth that runs a command": ("w.pth", bytes_of(pickle.dumps(Evil(), 2)), torch, "system is not allowed"),
    "a .pth that fills the memory": ("w.pth", bytes_of(MANY), torch, "memo number 268,435,455"),
    "a batch of CIFAR-10 that runs a command": (
        "data_batch_1", bytes_of(pickle.dumps(Evil(), 2)), lambda p: converted("cifar10")(p.parent), "system is not allowed"),
    "a batch of CIFAR-10 that fills the memory": (
        "data_batch_1", bytes_of(MANY), lambda p: converted("cifar10")(p.parent), "memo number 268,435,455"),
    "a tar that leads outside": ("a.tgz", tar_of(f"../{MARKER}", size=1), unpacked, "leads outside"),
    "a tar with a link": ("a.tgz", tar_of("l", type=tarfile.SYMTYPE, linkname=f"../{SECRET}"), unpacked, "neither a file nor a folder"),
    "a tar with a device": ("a.tgz", tar_of("null", type=tarfile.CHRTYPE), unpacked, "neither a file nor a folder"),
    "a zip that leads outside": ("a.zip", zip_of(f"../{MARKER}"), unpacked, "leads outside"),
    "a zip with a link": ("a.zip", zip_of("l", 0o120777), unpacked, "neither a file nor a folder"),
    "a record of any length": ("r.tfrecord", bytes_of(b"\xff" * 7 + b"\x0f" + bytes(100)), converted("tfrecord"), "cannot"),
    "an .onnx whose weights lie elsewhere": (
        "m.onnx", onnx_of(field(13, field(1, b"location") + field(2, b"../secret")) + b"\x70\x01"), opened, "weights are in another file"),
    "an .onnx with operators of somebody's own": ("m.onnx", onnx_of(node=field(7, b"evil.ops")), opened, "evil.ops"),
    "a .tflite with an operator of somebody's own": ("m.tflite", custom, opened, "cannot run"),
    "labels in JSON without end": ("m.pb", graph_with("labels.json"), opened, "not JSON"),
    "Lobe's JSON without end": ("m.pb", graph_with("signature.json"), opened, "not JSON"),
    "a run.json without end": ("run.json", deep, record, "not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_malicious_files_run_nothing_and_end_in_one_line(name, place):
    file, make, use, said = OTHERS[name]
    path = make(place / file)
    with pytest.raises(UserError) as caught:
        use(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret words" not in str(caught.value)
    assert isinstance(caught.value, RunError) or file == "s.npz"
    assert not (place / "out").exists()


def test_a_zip_bomb_of_labels_behind_a_tflite_is_ignored(place):
    from label_image.detectors.standard_metadata import packed_labels

    path = colour_tflite(place / "m.tflite")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", b"\n" * (8 << 20))
    assert packed_labels(path, "labels.txt") == ((), "")


def test_metadata_without_end_is_one_line(place, capfd):
    folder = saved(place / "m")
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra/retrain_card.json").write_text("[" * 200_000)
    assert "cannot read the metadata" in said_of(folder, capfd)


def test_every_allowed_operation_exists_and_touches_no_file():
    from label_image.allowed_operations import ALLOWED, LEFT_OVER

    words = (
        "File",
        "Save",
        "Restore",
        "Dataset",
        "Iterator",
        "Reader",
        "PyFunc",
        "Summary",
        "TPU",
        "Xla",
        "Print",
        "Load",
        "Proto",
        "Vocab",
    )
    assert [op for op in sorted(ALLOWED) if any(word in op for word in words)] == []
    assert not ALLOWED & LEFT_OVER
    tf: Any = tensorflow()
    hidden = {"QuantizedConcatV2"}  # known to TensorFlow's runtime, but not to Python
    assert {op for op in ALLOWED if not op.startswith("_") and not hasattr(tf.raw_ops, op)} <= hidden
