"""`python -m retrain` as a user types it: the whole command on coloured photos, and one line for each mistake."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrain import cli
from retrain.exporters.exporter import Exporter
from tests.conftest import COLOURS, ROOT, STAND_IN, children_s, write_colour_photos, write_photo

pytestmark = pytest.mark.slow

FAST = ("--how_many_training_steps=50", "--output_graph=")


@pytest.fixture
def command(colour_photos, model_dir):
    """Flags of a quick run on the colours, without the frozen graph."""
    return (f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", *FAST)


def one_line(done, status):
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING: Folder has less")]
    assert lines[0].startswith("retrain: "), done.stderr
    return "\n".join(lines)


def record_of(folder):
    (path,) = (folder / "tf_files/runs").glob("*/run.json")
    return json.loads(path.read_text("utf-8"))


def test_a_run_ends_with_its_accuracy_its_files_and_what_to_type_next(retrain, label_image, command, tmp_path):
    done = retrain(*command)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.search(r"^Final test accuracy = \d+\.\d% \(N=\d+\)$", done.stdout, re.MULTILINE)
    assert any(re.match(r"accuracy .* 95% confidence interval", line) for line in lines)
    for name in ("retrained.tflite", "retrained_labels.txt", "retrain_checkpoint.npz"):
        assert (tmp_path / "tf_files" / name).is_file()
        assert any(line.startswith((f"wrote tf_files/{name} (", f"tf_files/{name} ")) for line in lines)
    words = lines[-1].split()
    assert words[:3] == ["python", "-m", "label_image"]
    assert label_image(*words[3:]).returncode == 0


def test_the_lines_people_grep_for_keep_their_form(retrain, command):
    out = retrain(*command, "--logging_verbosity=DEBUG").stdout
    for form in (
        r"Looking for images in 'cyan'",
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: Step 0: Train accuracy = \d+\.\d%",
        r"\S+ \S+: Step 10: Cross entropy = \d+\.\d{6}",
        r"\S+ \S+: Step 49: Validation accuracy = \d+\.\d% \(N=100\)",
        r"Final test accuracy = \d+\.\d% \(N=\d+\)",
    ):
        assert re.search(f"^{form}$", out, re.MULTILINE), form


def test_a_second_run_computes_no_features_and_gives_the_same_bits(retrain, command, tmp_path):
    first = retrain(*command)
    before = (tmp_path / "tf_files/retrained.tflite").read_bytes()
    second = retrain(*command)
    assert "photos/s" in first.stdout
    assert "photos/s" not in second.stdout
    assert (tmp_path / "tf_files/retrained.tflite").read_bytes() == before


def test_another_seed_gives_other_bits(retrain, command, tmp_path):
    retrain(*command)
    before = (tmp_path / "tf_files/retrained.tflite").read_bytes()
    retrain(*command, "--seed=1")
    assert (tmp_path / "tf_files/retrained.tflite").read_bytes() != before


def test_a_run_on_kept_features_never_imports_tensorflow(command, tmp_path):
    code = f"""
import sys
from retrain.cli import main
assert main({[*command]!r}) == 0
assert not [m for m in sys.modules if m.split(".")[0] in ("tensorflow", "keras")]
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_the_labels_given_are_those_of_the_record(retrain, command, tmp_path):
    from label_image import Classifier

    retrain(*command)
    record = record_of(tmp_path)
    classifier = Classifier(tmp_path / "tf_files/retrained.tflite")
    assert record["tested"] == len(record["test_photos"]) > 0
    for photo in record["test_photos"]:
        assert classifier.classify(photo["path"]).top(1)[0][0] == photo["predicted"]


def test_intermediate_graphs_are_written_as_the_original_did(retrain, command, tmp_path):
    done = retrain(*command, "--intermediate_store_frequency=20", "--intermediate_output_graphs_dir=mid/")
    assert sorted(path.name for path in (tmp_path / "mid").iterdir()) == ["intermediate_20.pb", "intermediate_40.pb"]
    assert "Save intermediate result to : mid/intermediate_20.pb" in done.stdout


def test_distorted_views_are_made_once_and_train_a_classifier(retrain, command):
    flags = ("--flip_left_right", "--random_crop=10", "--random_scale=10", "--random_brightness=10", "--cached_views=2")
    first = retrain(*command, *flags)
    assert first.returncode == 0, first.stderr
    assert "distorted view 2 of 2" in first.stdout
    assert "photos/s" not in retrain(*command, *flags).stdout


def test_misclassified_photos_are_listed_on_request(retrain, model_dir, tmp_path):
    photos = write_colour_photos(tmp_path / "photos", 30)
    for number in range(10):  # wrong on purpose: cyan photos called yellow
        write_photo(photos / "yellow" / f"wrong_{number}.jpg", COLOURS["cyan"], 500 + number)
    done = retrain(
        f"--image_dir={photos}",
        f"--architecture={STAND_IN}",
        f"--model_dir={model_dir}",
        *FAST,
        "--print_misclassified_test_images",
        "--testing_percentage=40",
    )
    after = done.stdout.split("=== MISCLASSIFIED TEST IMAGES ===\n")[1]
    assert re.match(r" *\S*wrong_\d\.jpg  cyan\n", after)


def test_unreadable_photos_are_listed_counted_and_left_out(retrain, model_dir, tmp_path):
    photos = write_colour_photos(tmp_path / "photos")
    (photos / "cyan" / "empty.jpg").write_bytes(b"")
    whole = (photos / "cyan" / "cyan_000.jpg").read_bytes()
    (photos / "cyan" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    flags = (f"--image_dir={photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", *FAST)
    done = retrain(*flags)
    assert done.returncode == 0
    assert re.search(r"left out \S*empty\.jpg: empty file", done.stderr)
    assert re.search(r"left out \S*half\.jpg: cut short", done.stderr)
    assert "2 files left out of 74" in done.stderr
    assert {skipped["reason"] for skipped in record_of(tmp_path)["skipped"]} == {"empty file", "cut short"}
    assert "--strict" in one_line(retrain(*flags, "--strict"), 2)


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--image_dir=nowhere"], 2, "no such folder"),
        (["--image_dir="], 2, "--image_dir"),
        (["--architecture=mobilenet_v1_1.0_224"], 2, "did you mean mobilenet_1.0_224"),
        (["--architecture=resnet"], 2, "unknown --architecture=resnet"),
        (["--architecture="], 2, "unset shell variable"),
        (["--testing_percentage=50", "--validation_percentage=50"], 2, "leave nothing to train on"),
        (["--trainig_steps=5"], 2, "unknown flag --trainig_steps"),
        (["--learning_rate=fast"], 2, "learning_rate"),
        (["--seed=0", "stray words"], 2, "belongs to no flag"),
        (["--architecture=mobilenet_0.75_192", "--offline"], 1, "mobilenet_v1_0.75_192_frozen.tgz"),
        (["--device=gpu"], 1, "no GPU"),
        (["--output_labels=/proc/nowhere/x.txt"], 1, "cannot write --output_labels"),
    ],
)
def test_a_mistake_is_one_line_with_the_right_status(retrain, command, flags, status, message):
    assert message in one_line(retrain(*command, *flags), status)


def test_one_class_is_refused(retrain, tmp_path, model_dir):
    for number in range(5):
        write_photo(tmp_path / "photos/cyan" / f"{number}.jpg", COLOURS["cyan"], number)
    assert "one class" in one_line(retrain("--image_dir=photos", *FAST), 2)


def test_an_empty_class_is_named(retrain, tmp_path):
    photos = write_colour_photos(tmp_path / "photos", 5)
    (photos / "roses").mkdir()
    assert "'roses'" in one_line(retrain("--image_dir=photos", *FAST), 2)


def test_two_photos_in_a_class_say_how_many_are_needed(retrain, tmp_path):
    photos = write_colour_photos(tmp_path / "photos", 5)
    for number in range(2):
        write_photo(photos / "rare" / f"{number}.jpg", (90, 90, 90), number)
    assert "found 2 photos, need 3" in one_line(retrain("--image_dir=photos", *FAST), 2)


def test_unreadable_weights_are_one_line(retrain, colour_photos, tmp_path):
    place = tmp_path / "models/mobilenet_v1_0.25_128/frozen_graph.pb"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"no graph")
    done = retrain(f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", "--model_dir=models", *FAST)
    assert "not a TensorFlow graph" in one_line(done, 1)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_no_space_and_no_permission_are_one_line(number, command, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def full(*_):
        raise OSError(number, os.strerror(number), "tf_files/retrained.tflite")

    monkeypatch.setattr("retrain.exporters.tflite.EXPORTER", Exporter(full))
    assert cli.main(command) == 1
    err = capsys.readouterr().err.strip()
    assert os.strerror(number) in err
    assert "Traceback" not in err
    assert not (tmp_path / "tf_files/retrained.tflite").exists()


def test_a_store_that_can_not_be_written_is_one_line(retrain, command, tmp_path):
    (tmp_path / "afile").write_text("x")
    assert "choose another --bottleneck_dir" in one_line(retrain(*command, "--bottleneck_dir=afile/x"), 1)


def start(command, folder):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "retrain", *command],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, text):
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError("".join(seen) + process.stderr.read())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_features_are_computed_keeps_them(model_dir, tmp_path, number, status):
    photos = write_colour_photos(tmp_path / "photos", 700)
    command = (f"--image_dir={photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", *FAST)
    process = start(command, tmp_path)
    wait_for(process, "bottleneck files created")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    kept = int(re.search(r"the features of (\d+) of 2100 photos are kept", err)[1])
    again = start(command, tmp_path)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    computed = int(re.search(r"^(\d+) photos in", out, re.MULTILINE)[1])
    assert kept > 0
    assert computed == 2100 - kept


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGHUP, 129)])
def test_a_signal_in_training_exports_what_there_is(model_dir, colour_photos, tmp_path, number, status):
    command = (
        f"--image_dir={colour_photos}",
        f"--architecture={STAND_IN}",
        f"--model_dir={model_dir}",
        "--output_graph=",
        "--how_many_training_steps=10000000",
        "--logging_verbosity=DEBUG",
    )
    process = start(command, tmp_path)
    wait_for(process, "Step 100: Train")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "training was stopped" in err
    assert "Final test accuracy" in out
    assert (tmp_path / "tf_files/retrained.tflite").is_file()


def test_the_checkpoint_opens_with_numpy_alone(retrain, command, tmp_path):
    retrain(*command)
    with np.load(tmp_path / "tf_files/retrain_checkpoint.npz", allow_pickle=False) as layer:
        assert layer["weights"].shape == (3, 3)
        assert layer["labels"].tolist() == sorted(COLOURS)


def test_help_is_quick(retrain):
    start = children_s()
    done = retrain("--help")
    assert done.returncode == 0
    assert "--how_many_training_steps" in done.stdout
    assert children_s() - start < 1  # 0.1 s on an idle machine; docs/results.md has the figure


def test_folders_named_train_and_test_are_kept_as_lists(retrain, model_dir, tmp_path):
    write_colour_photos(tmp_path / "photos/train", 10)
    write_colour_photos(tmp_path / "other", 4)
    shutil.move(tmp_path / "other", tmp_path / "photos/test")
    for path in list(Path(tmp_path / "photos/test").rglob("*.jpg")):
        write_photo(path, COLOURS[path.parent.name], 900 + int(path.stem[-1]))
    done = retrain("--image_dir=photos", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", *FAST)
    assert done.returncode == 0, done.stderr
    assert {Path(photo["path"]).parts[1] for photo in record_of(tmp_path)["test_photos"]} == {"test"}
    assert "determine the subset" in done.stderr


def test_a_log_has_some_lines_of_a_training_and_no_more(retrain, colour_photos, model_dir):
    done = retrain(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--report=none",
        "--output_graph=", "--how_many_training_steps=1000", "--summaries_dir=",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps = re.findall(
        r"^step ([\d,]+) of 1,000: cross entropy \d\.\d{3}, train \d+\.\d%, validation \d+\.\d%$",
        done.stdout,
        re.MULTILINE,
    )
    assert steps == ["1", "101", "201", "301", "401", "501", "601", "701", "801", "901", "1,000"]
    assert "Train accuracy" not in done.stdout
    assert len(done.stdout.splitlines()) < 40
