"""`python -m label_image` as a user types it."""

from __future__ import annotations

import re

import pytest

from tests.conftest import COLOURS, write_photo

ORIGINAL_FORM = re.compile(r"\nEvaluation time \(1-image\): \d+\.\d{3}s\n\n(\w+ \(score=\d\.\d{5}\)\n){3}")


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "cyan.jpg", COLOURS["cyan"], 77)


def test_one_photo_is_printed_in_the_originals_form(label_image, tflite, photo):
    done = label_image(f"--graph={tflite}", "--image", photo)
    assert done.returncode == 0
    assert ORIGINAL_FORM.fullmatch(done.stdout)
    assert done.stdout.split("\n\n")[-1].startswith("cyan (score=0.")
    assert done.stderr == ""


def test_in_the_folder_where_retrain_ran_no_other_flag_is_needed(label_image, trained, photo):
    from tests.conftest import run_module

    done = run_module("label_image", "--image", photo, cwd=trained)
    assert ORIGINAL_FORM.fullmatch(done.stdout), done.stderr


def test_a_frozen_graph_is_silent_but_for_the_answer(label_image, trained, photo):
    done = label_image(f"--graph={trained / 'tf_files/retrained_graph.pb'}", f"--image={photo}")
    assert ORIGINAL_FORM.fullmatch(done.stdout)
    assert done.stderr == ""


def test_the_codelabs_command_still_works(label_image, trained, photo):
    done = label_image(
        f"--graph={trained / 'tf_files/retrained_graph.pb'}", f"--labels={trained / 'tf_files/retrained_labels.txt'}",
        "--input_height=128", "--input_width=128", "--input_layer=input", "--output_layer=final_result",
        "--input_mean", "127.5", "--input_std=127.5", f"--image={photo}",
    )  # fmt: skip
    assert done.stdout.split("\n\n")[-1].startswith("cyan (score=0.")


def test_files_folders_and_patterns_can_be_mixed(label_image, tflite, tmp_path):
    for number, label in enumerate(COLOURS):
        write_photo(tmp_path / "folder" / "deep" / f"{label}.jpg", COLOURS[label], number)
        write_photo(tmp_path / f"glob_{label}.jpg", COLOURS[label], number + 10)
    (tmp_path / "folder" / ".hidden.jpg").write_bytes(b"x")
    done = label_image(f"--graph={tflite}", "--image=folder", "--image=glob_*.jpg", "glob_cyan.jpg", "--top_k=1")
    blocks = done.stdout.strip().split("\n\n")
    assert done.returncode == 0, done.stderr
    assert len(blocks) == 7
    for block in blocks:
        path, answer = block.split("\n")
        assert answer.split(" (score=")[0] in path


def test_a_bad_photo_among_good_ones_is_said_in_its_place(label_image, tflite, tmp_path):
    for name in ("a", "b", "c"):
        write_photo(tmp_path / f"{name}.jpg", COLOURS["cyan"], ord(name))
    (tmp_path / "b.jpg").write_bytes(b"")
    done = label_image(f"--graph={tflite}", "a.jpg", "b.jpg", "c.jpg")
    assert done.returncode == 1
    assert "b.jpg\nerror: empty file" in done.stdout
    assert done.stdout.index("a.jpg") < done.stdout.index("b.jpg") < done.stdout.index("c.jpg")
    assert "1 of 3 photos could not be read" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "no photo given"),
        (["--image=nowhere.jpg"], 1, "not there"),
        (["--image=no*.jpg"], 2, "matches no file"),
        (["--imag_size=3"], 2, "unknown flag --imag_size"),
        (["--graph=nowhere.pb", "--image=cyan.jpg"], 2, "no such file"),
        (["--input_std=0", "--image=cyan.jpg"], 2, "--input_std=0.0 is out of range"),
        (["--labels=nowhere.txt", "--image=cyan.jpg"], 1, "cannot read labels"),
    ],
)
def test_a_mistake_is_one_line(label_image, tflite, photo, words, status, message):
    graph = [] if any("graph" in word for word in words) else [f"--graph={tflite}"]
    done = label_image(*graph, *words)
    assert done.returncode == status
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_help_is_quick_and_complete(label_image):
    done = label_image("--help")
    assert done.returncode == 0
    assert "--input_layer" in done.stdout
