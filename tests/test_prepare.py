"""Tests the preparation of a backbone: it is made once, stored, and made again when damaged; its archive is found or reported missing."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np
import pytest

from label_image.errors import RunError, UserError
from label_image.runners.litert import LitertRunner
from retrain.backbones.lookup import architectures_of
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import network_of, prepare
from retrain.options.options import Options
from tests.conftest import ROOT, STAND_IN, write_mean_colour_backbone
from tests.test_download import serve, status, web  # noqa: F401 - a fixture

ARCHIVE = "mobilenet_v1_0.25_128_frozen.tgz"


def plan_of(model_dir, **options):
    return Options.of(image_dir="photos", **{"architecture": STAND_IN, "model_dir": str(model_dir), **options})


def archive_of(tmp_path, member="mobilenet_v1_0.25_128/frozen_graph.pb"):
    """The bytes of an archive that holds the mean-colour graph."""
    graph = write_mean_colour_backbone(tmp_path / "source") / "mobilenet_v1_0.25_128" / "frozen_graph.pb"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.add(graph, member)
    return data.getvalue()


def published_at(monkeypatch, url, sha256=None):
    """Lets the table say that the stand-in's archive is there."""
    known = architectures_of("retrain.backbones.families.mobilenet")
    row = dataclasses.replace(known[STAND_IN], url=f"{url}/{ARCHIVE}", sha256=sha256)
    monkeypatch.setitem(known, STAND_IN, row)


def assert_runs(backbone):
    grey = np.full((1, 128, 128, 3), 0.25, np.float32)
    np.testing.assert_allclose(LitertRunner(backbone.tflite).scores(grey), [[1.25] * 3], rtol=1e-5)


# ---- what is kept


def test_what_was_made_is_found_again_and_not_made_again(tmp_path, monkeypatch):
    options = plan_of(write_mean_colour_backbone(tmp_path))
    first = prepare(options.network, print)
    monkeypatch.setattr(ModelFolder, "keep", lambda *_: pytest.fail("it was built again"))
    start = time.process_time()
    assert prepare(options.network, pytest.fail) == first
    assert time.process_time() - start < 0.5
    assert_runs(first)


def test_the_default_is_made_and_found_again_without_tensorflow(tmp_path):
    code = (
        "import sys; from retrain.options.options import Options; from retrain.backbones.prepare import prepare; "
        f"plan = Options.of(image_dir='x', model_dir={str(tmp_path)!r}, offline=True); "
        "assert prepare(plan.network, print) == prepare(plan.network, print); "
        "print({'tensorflow', 'keras', 'urllib.request'} & set(sys.modules))"
    )
    seen = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout == "set()\n"
    names = sorted(path.name.split("-", 1)[0] + path.suffix for path in tmp_path.iterdir())
    assert names == ["efficientnet_lite0.json", "efficientnet_lite0.pb", "efficientnet_lite0.tflite"]


@pytest.mark.parametrize("suffix", [".tflite", ".pb", ".json"])
@pytest.mark.parametrize("damage", ["deleted", "cut", "one bit", "empty"])
def test_a_missing_or_broken_form_is_made_again(tmp_path, suffix, damage):
    options = plan_of(write_mean_colour_backbone(tmp_path))
    first = prepare(options.network, print)
    (path,) = tmp_path.glob(f"*{suffix}")
    data = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        broken = {"cut": data[:-9], "one bit": bytes([data[0] ^ 1]) + data[1:], "empty": b""}
        path.write_bytes(broken[damage])
    lines = []
    assert prepare(options.network, lines.append) == first
    assert path.read_bytes() == data
    assert lines == [] if (suffix, damage) == (".json", "deleted") else "changed or damaged" in lines[0]


def test_other_weights_under_the_same_name_are_another_backbone(tmp_path):
    options = plan_of(write_mean_colour_backbone(tmp_path))
    first = prepare(options.network, print)
    from retrain.formats.graph_def import read_graph

    path = tmp_path / "mobilenet_v1_0.25_128" / "frozen_graph.pb"
    graph = read_graph(path)
    next(node for node in graph.node if node.name == "bias").attr["value"].tensor.tensor_content = np.array(
        [0, 0, 0], np.float32
    ).tobytes()
    path.write_bytes(graph.SerializeToString())
    assert prepare(options.network, print).digest != first.digest


def test_only_our_own_networks_are_kept_as_layers(tmp_path):
    with pytest.raises(RunError, match="inception_v3 is not stored as layers"):
        network_of(plan_of(tmp_path, architecture="inception_v3").network)


# ---- folders that cannot be written


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """A --model_dir with the stand-in's graph that may not be written to, even where the tests run as root."""
    folder = write_mean_colour_backbone(tmp_path / "school")
    monkeypatch.chdir(tmp_path)

    def lock():
        real = tempfile.TemporaryFile

        def refuse(*arguments, **options):
            if options.get("dir") == folder:
                raise PermissionError(13, "Permission denied")
            return real(*arguments, **options)

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        return sorted(folder.rglob("*"))

    yield folder, lock
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


def test_a_read_only_model_dir_with_the_graph_works_and_says_where_the_forms_are(read_only, tmp_path):
    folder, lock = read_only
    before = lock()
    lines = []
    backbone = prepare(plan_of(folder).network, lines.append)
    assert_runs(backbone)
    assert str(backbone.graph.parent) == "tf_files/models"
    assert lines == [f"{folder} is read-only: {backbone.graph.stem}.* is written to tf_files/models"]
    assert sorted(folder.rglob("*")) == before
    assert prepare(plan_of(folder).network, pytest.fail) == backbone


def test_a_read_only_model_dir_with_the_ready_forms_is_all_that_is_needed(read_only, tmp_path):
    folder, lock = read_only
    backbone = prepare(plan_of(folder).network, print)
    lock()
    assert prepare(plan_of(folder).network, pytest.fail) == backbone
    assert not (tmp_path / "tf_files").exists()


def test_a_read_only_model_dir_without_the_archive_sends_the_download_elsewhere(read_only, tmp_path, monkeypatch, web):  # noqa: F811
    folder, lock = read_only
    web.answers = [serve(archive_of(tmp_path))]
    (folder / "mobilenet_v1_0.25_128" / "frozen_graph.pb").unlink()
    lock()
    published_at(monkeypatch, web.url)
    lines = []
    assert_runs(prepare(plan_of(folder).network, lines.append))
    assert (tmp_path / "tf_files" / "models" / ARCHIVE).is_file()
    assert lines[0] == f"{folder} is read-only: {ARCHIVE} is written to tf_files/models"


@pytest.mark.parametrize("model_dir", ["file", "file/below"])
def test_a_model_dir_that_is_no_folder_is_one_line(tmp_path, model_dir):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"cannot keep efficientnet_lite0 in .*; choose another --model_dir"):
        prepare(plan_of(tmp_path / model_dir, architecture="efficientnet_lite0").network, print)


# ---- a real server that cuts, lies, or is away


def test_a_download_that_is_cut_midway_is_resumed_and_kept(tmp_path, monkeypatch, web):  # noqa: F811
    data = archive_of(tmp_path)
    published_at(monkeypatch, web.url, hashlib.sha256(data).hexdigest())
    web.answers = [serve(data, stop=300), serve(data), status(500)]
    options = plan_of(tmp_path / "models")
    backbone = prepare(options.network, print)
    assert web.ranges == [None, "bytes=300-"]
    assert (backbone.source, (tmp_path / "models" / ARCHIVE).read_bytes()) == (f"{web.url}/{ARCHIVE}", data)
    assert_runs(backbone)
    assert prepare(options.network, pytest.fail) == backbone
    assert len(web.ranges) == 2


@pytest.mark.parametrize("sha256", [None, "0" * 64])
def test_a_wrong_file_is_refused_and_not_kept(tmp_path, monkeypatch, web, sha256):  # noqa: F811
    published_at(monkeypatch, web.url, sha256)
    web.answers = [serve(b"<html>Please log in</html>")]
    line = refused(plan_of(tmp_path / "models"))
    assert "a web page" in line
    assert not list((tmp_path / "models").iterdir())


def test_a_server_that_is_away_is_one_line_with_all_that_helps(tmp_path, monkeypatch, web):  # noqa: F811
    published_at(monkeypatch, "http://127.0.0.1:9")
    line = refused(plan_of(tmp_path / "models"))
    assert f"no weights in {tmp_path / 'models'}" in line  # what was tried
    assert f"http://127.0.0.1:9/{ARCHIVE}" in line  # the address
    assert f"put the file at {tmp_path / 'models' / ARCHIVE}" in line  # the file, and where to put it
    assert "use efficientnet_lite0, which needs no download" in line  # what works at once


def test_offline_asks_no_server(tmp_path, monkeypatch, web):  # noqa: F811
    published_at(monkeypatch, web.url)
    line = refused(plan_of(tmp_path / "models", offline=True))
    assert web.ranges == []
    assert f"{web.url}/{ARCHIVE}" in line
    assert str(tmp_path / "models" / ARCHIVE) in line


def test_an_archive_put_where_the_line_says_works_offline(tmp_path, monkeypatch):
    published_at(monkeypatch, "http://127.0.0.1:9")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ARCHIVE).write_bytes(archive_of(tmp_path))
    assert_runs(prepare(plan_of(tmp_path / "models", offline=True).network, print))


def test_an_archive_with_another_digest_than_published_is_refused(tmp_path):
    (tmp_path / ARCHIVE).write_bytes(archive_of(tmp_path))
    assert "is not the published archive" in refused(plan_of(tmp_path))


def test_a_damaged_archive_is_refused(tmp_path, monkeypatch):
    published_at(monkeypatch, "http://127.0.0.1:9")
    (tmp_path / ARCHIVE).write_bytes(archive_of(tmp_path)[:-20])
    assert "delete it, and it will be downloaded again" in refused(plan_of(tmp_path))


def test_an_archive_without_the_graph_is_refused(tmp_path, monkeypatch):
    published_at(monkeypatch, "http://127.0.0.1:9")
    (tmp_path / ARCHIVE).write_bytes(archive_of(tmp_path, member="mobilenet_v1_0.25_128/readme.txt"))
    assert "contains no frozen_graph.pb" in refused(plan_of(tmp_path))


def test_a_graph_that_may_not_be_read_is_one_line(tmp_path):
    (tmp_path / "mobilenet_v1_0.25_128" / "frozen_graph.pb").mkdir(parents=True)
    assert "cannot read" in refused(plan_of(tmp_path))


def test_an_unknown_name_is_the_user_s_affair(tmp_path):
    with pytest.raises(UserError, match="did you mean mobilenet_0.25_128") as caught:
        prepare(plan_of(tmp_path, architecture="mobilenet_v1_0.25_128").network, print)
    assert caught.value.exit_status == 2


def refused(options):
    with pytest.raises(RunError) as caught:
        prepare(options.network, lambda _: None)
    assert caught.value.exit_status == 1
    assert "\n" not in str(caught.value)
    return str(caught.value)
