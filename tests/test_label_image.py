"""`python -m label_image` as a user types it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from label_image.label_command import LabelCommand
from tests.conftest import COLOURS, ROOT, write_photo

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
    assert "1 of 3 photos could not be labelled" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "no photo given"),
        (["--image=nowhere.jpg"], 1, "not found"),
        (["--image=no*.jpg"], 2, "matches no file"),
        (["--imag_size=3"], 2, "unknown flag --imag_size"),
        (["--graph=nowhere.pb", "--image=cyan.jpg"], 2, "no such file"),
        (["--input_std=0", "--image=cyan.jpg"], 2, "--input_std=0.0 is out of range"),
        (["--labels=nowhere.txt", "--image=cyan.jpg"], 1, "cannot read labels"),
        (["--move", "--image=cyan.jpg"], 2, "--move needs --sort_into"),
        (["--sort_into=x", "--benchmark", "--image=cyan.jpg"], 2, "leave out --sort_into"),
        (["--sort_into=.", "."], 2, "is the folder that is read"),
        (["--threshold=1.5", "--image=cyan.jpg"], 2, "--threshold=1.5 is out of range: give 0 to 1"),
        (["--format=xml", "--image=cyan.jpg"], 2, "--format=xml is not one of text, json, jsonl, csv"),
        (["cyan.jpg", "no*.jpg"], 2, "--image=no*.jpg matches no file"),
        (["-", "-"], 2, "standard input can be read only once"),
        (["--describe=nowhere.pb"], 2, "no such file"),
        (["--image=http://127.0.0.1:1/a.jpg"], 1, "cannot read http://127.0.0.1:1/a.jpg: no connection"),
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


@pytest.fixture
def cyans(tmp_path):
    """Three photos and, second of them, one that cannot be read."""
    for name in ("a", "c", "d"):
        write_photo(tmp_path / f"in/{name}.jpg", COLOURS["cyan"], ord(name))
    (tmp_path / "in/b.jpg").write_text("no photo")
    return tmp_path / "in"


@pytest.fixture
def start(tmp_path, tflite):
    """Starts the command with pipes at its ends, to talk to it while it runs."""
    started = []

    def begin(*words, **options):
        command = [sys.executable, "-m", "label_image", f"--graph={tflite}", *map(str, words)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=env, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def test_words_with_and_without_a_flag_keep_the_order_typed(label_image, tflite, cyans):
    done = label_image(
        f"--graph={tflite}", "in/d.jpg", "--image=in/a.jpg", "in/c.jpg", "--format=csv", "--image", "in/a.jpg"
    )
    assert [row["image"] for row in csv.DictReader(io.StringIO(done.stdout))] == [
        f"in/{name}.jpg" for name in ("d", "a", "c", "a")
    ]


def test_json_csv_and_jsonl_have_an_error_in_its_place_and_status_1(label_image, tflite, cyans):
    for form in ("json", "jsonl", "csv"):
        done = label_image(f"--graph={tflite}", "in", f"--format={form}", "--top_k=2", "--threshold=0.5")
        if form == "csv":
            rows: Any = list(csv.DictReader(io.StringIO(done.stdout)))
            assert list(rows[0]) == ["image", "label", "score", "error", "label_2", "score_2"]
            labels = [row["label"] for row in rows]
        else:
            rows = json.loads(done.stdout) if form == "json" else list(map(json.loads, done.stdout.splitlines()))
            labels = [row["labels"][0]["label"] if row["labels"] else "" for row in rows]
            assert all(len(row["labels"]) <= 1 for row in rows)
        assert [row["image"] for row in rows] == [f"in/{name}.jpg" for name in "abcd"]
        assert labels == ["cyan", "", "cyan", "cyan"]
        assert "a text file" in rows[1]["error"]
        assert not rows[0]["error"]
        assert done.returncode == 1
        assert done.stderr == "label_image: 1 of 4 photos could not be labelled\n"


def test_a_list_may_come_with_line_ends_or_nul_bytes(label_image, tflite, cyans):
    for text in ("in/a.jpg\nin/c.jpg\n", "in/a.jpg\0in/c.jpg\0"):
        done = label_image(f"--graph={tflite}", "-", "--format=jsonl", input=text)
        assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == ["in/a.jpg", "in/c.jpg"]


def test_an_answer_comes_before_the_next_name_is_written(start, cyans):
    process = start("-", "--format=jsonl")
    for name in ("c", "a"):
        process.stdin.write(f"in/{name}.jpg\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["image"] == f"in/{name}.jpg"  # would wait for ever
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("form", "number", "status"),
    [
        ("json", signal.SIGINT, 130), ("jsonl", signal.SIGTERM, 143), ("csv", signal.SIGHUP, 129),
        ("text", signal.SIGINT, 130), ("json", signal.SIGTERM, 143),
    ],
)  # fmt: skip
def test_each_signal_leaves_whole_rows(start, cyans, form, number, status):
    process = start("-", f"--format={form}", "--top_k=1")
    process.stdin.write(b"in/a.jpg\nin/c.jpg\n")
    process.stdin.flush()
    head = b""
    while b"c.jpg" not in head:
        head += os.read(process.stdout.fileno(), 4096)
    process.send_signal(number)
    out = (head + process.stdout.read()).decode()
    assert process.wait(20) == status
    assert process.stderr.read() == b"label_image: stopped\n"
    assert out.endswith("\n")
    if form == "json":
        assert [row["image"] for row in json.loads(out)] == ["in/a.jpg", "in/c.jpg"]
    else:
        assert out.count("cyan") == 2


def test_ctrl_c_does_not_wait_for_a_slow_server(start, server, cyans):
    process = start("in/a.jpg", f"{server.url}/silent", "--format=json")
    head = process.stdout.readline() + process.stdout.readline()
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out = head + process.stdout.read()
    assert process.wait(20) == 130
    assert time.monotonic() - begun < 10  # the server is silent for 30 s, and the limit of a download is 20 s
    assert [row["image"] for row in json.loads(out)] == ["in/a.jpg"]
    assert process.stderr.read() == b"label_image: stopped\n"


def test_a_reader_that_has_seen_enough_is_no_error(start, cyans):
    for form in ("csv", "json", "text"):
        process = start(*["in/a.jpg"] * 3000, f"--format={form}")
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_is_one_line(start, cyans, form):
    with Path("/dev/full").open("wb") as full:
        process = start("in/a.jpg", f"--format={form}", stdout=full)
        assert process.stderr.read() == b"label_image: cannot write the answers: No space left on device\n"
    assert process.wait(20) == 1


def test_addresses_are_labelled_like_files(label_image, tflite, server, cyans):
    write_photo(server.folder / "y.jpg", COLOURS["yellow"], 5)
    words = [f"{server.url}/redirect/y.jpg", "in/a.jpg", f"{server.url}/none.jpg", f"{server.url}/page"]
    done = label_image(f"--graph={tflite}", *words, "--format=json", "--sort_into=out")
    rows = json.loads(done.stdout)
    assert [row["image"] for row in rows] == words
    assert [row["labels"][0]["label"] for row in rows[:2]] == ["yellow", "cyan"]
    assert rows[2]["error"] == "not found: the server answers 404"
    assert rows[3]["error"].startswith("a web page")
    assert rows[0]["sorted_to"] == "out/yellow/y.jpg"
    assert done.returncode == 1


@pytest.mark.parametrize("separator", ["\n", "\0", "\r\n"])
def test_addresses_in_a_list_are_fetched_only_when_that_is_asked_for(label_image, tflite, server, cyans, separator):
    write_photo(server.folder / "y.jpg", COLOURS["yellow"], 5)
    names = [f"{server.url}/y.jpg", "in/a.jpg", "HTTP://127.0.0.1:1/x.jpg"]
    text = "".join(f"{name}{separator}" for name in names)
    done = label_image(f"--graph={tflite}", "-", "--format=json", input=text)
    rows = json.loads(done.stdout)
    assert [row["image"] for row in rows] == names
    assert [bool(row["labels"]) for row in rows] == [False, True, False]
    assert rows[0]["error"] == rows[2]["error"] == "not fetched: an address in a list; add --fetch to download it"
    assert (done.returncode, server.seen) == (1, [])
    if separator == "\n":
        done = label_image(f"--graph={tflite}", "-", "--fetch", "--format=json", input=f"{names[0]}\n")
        assert json.loads(done.stdout)[0]["labels"][0]["label"] == "yellow"
        assert done.returncode == 0, done.stderr


def test_names_that_no_system_has_are_rows_like_others(label_image, tflite, cyans):
    names = ["x" * 300, "in/a.jpg", "a/" * 3000 + "b.jpg", "http://" + "x" * 70_00, "in/c.jpg"]
    done = label_image(f"--graph={tflite}", "-", "--format=json", input="".join(f"{name}\n" for name in names))
    rows = json.loads(done.stdout)
    assert [row["image"] for row in rows] == names
    assert [bool(row["labels"]) for row in rows] == [False, True, False, False, True]
    assert "File name too long" in rows[0]["error"]
    one = label_image(f"--graph={tflite}", names[0])
    assert one.stderr == f"label_image: cannot read {names[0]}: unreadable: File name too long\n"


def test_a_list_that_can_not_be_read_is_one_line(label_image, tflite, tmp_path):
    with (tmp_path / "out").open("w") as for_writing:
        done = label_image(f"--graph={tflite}", "-", stdin=for_writing)
    assert done.stderr == "label_image: cannot read the list on standard input: Bad file descriptor\n"
    assert done.returncode == 2


def test_one_address_is_printed_in_the_originals_form(label_image, tflite, server):
    write_photo(server.folder / "y.jpg", COLOURS["yellow"], 5)
    done = label_image(f"--graph={tflite}", "--image", f"{server.url}/y.jpg?w=[1]*")
    assert ORIGINAL_FORM.fullmatch(done.stdout), done.stderr


def test_without_an_address_nothing_of_the_network_or_tensorflow_is_loaded(tflite, cyans, tmp_path):
    code = (
        "import sys; from label_image.cli import main; "
        f"main(['--graph={tflite}', 'in/a.jpg', '--format=json', '--sort_into=out']); "
        "print(sorted({'urllib.request', 'http.client', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("]\n[]\n")


def test_help_needs_neither_numpy_nor_pillow(tmp_path):
    code = "import sys, label_image.cli; print(sorted({'numpy', 'PIL', 'ai_edge_litert', 'urllib.request'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_photos_are_sorted_and_what_can_not_be_read_stays(label_image, tflite, cyans, tmp_path):
    write_photo(cyans / "sub/a.jpg", COLOURS["yellow"], 9)
    done = label_image(f"--graph={tflite}", "in", "--sort_into=in/sorted", "--move", "--format=csv")
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert rows["in/a.jpg"]["sorted_to"] == "in/sorted/cyan/a.jpg"
    assert rows["in/sub/a.jpg"]["sorted"] == "moved"
    assert rows["in/b.jpg"]["sorted"] == ""
    left = sorted(str(path.relative_to(cyans)) for path in cyans.rglob("*") if path.is_file())
    assert left == ["b.jpg", "sorted/cyan/a.jpg", "sorted/cyan/c.jpg", "sorted/cyan/d.jpg", "sorted/yellow/a.jpg"]
    assert done.returncode == 1


def test_unsure_photos_and_those_that_are_there_already_are_said(label_image, tflite, cyans):
    first = label_image(f"--graph={tflite}", "in/a.jpg", "--sort_into=out", "--threshold=0.99")
    assert first.stdout.endswith("s\n\ncopied to out/_unsure/a.jpg\n")
    again = label_image(f"--graph={tflite}", "in/a.jpg", "--sort_into=out", "--threshold=0.99")
    assert again.stdout.endswith("already there: out/_unsure/a.jpg\n")


def test_names_that_are_not_utf8_can_be_piped_in_and_out(label_image, start, cyans):
    name = b"in/caf\xe9.jpg"
    (cyans / "a.jpg").rename(cyans.parent / os.fsdecode(name))
    for form in ("text", "json", "csv"):
        process = start("-", f"--format={form}", "--sort_into=out")
        out, error = process.communicate(name + b"\n", timeout=20)
        assert error == b""
        assert process.returncode == 0
        if form == "text":
            assert out.startswith(name + b"\ncyan (score=")
        elif form == "json":
            assert os.fsencode(json.loads(out)[0]["image"]) == name
        else:
            assert rb"in/caf\xe9.jpg" in out


def test_memory_does_not_grow_with_the_number_of_photos(start, cyans, tmp_path):
    peak = []
    for count in (10, 4000):
        process = start("-", "--format=csv", "--top_k=1", stdout=subprocess.DEVNULL)
        process.stdin.write(b"in/a.jpg\n" * count)
        process.stdin.close()
        process.stdin = None
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peak.append(used.ru_maxrss)
    assert peak[1] < peak[0] + 12_000  # KiB


@pytest.mark.slow
def test_the_row_pipeline_holds_a_few_photos_of_a_hundred_thousand(monkeypatch):
    import tracemalloc

    import numpy as np

    from label_image import cli
    from label_image.classifier import Classifier, Prediction
    from label_image.input_photos import Item
    from label_image.output import OutputStream
    from label_image.output_formats import format_for
    from label_image.workers import map_ordered

    class Echo(Classifier):
        def __init__(self): ...

        def classify_all(self, paths):
            scores = np.array([1, 0], np.float32)
            return map_ordered(lambda: lambda path: Prediction(path, ("a", "b"), scores, 0.0), paths, 2)

    def peak(count):
        items = (Item(f"{number}.jpg", f"{number}.jpg") for number in range(count))
        form = format_for("csv", lambda _: None, one=False)
        tracemalloc.reset_peak()
        assert cli._rows(LabelCommand(image=("x",)), (Echo(), None), items, form, OutputStream(utf8=True)) == (
            0,
            count,
        )
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        peak(10)
        assert peak(20_000) < peak(200) + 200_000  # bytes
    finally:
        tracemalloc.stop()


def test_a_classifier_describes_itself(label_image, tflite):
    done = label_image(f"--describe={tflite}")
    assert done.returncode == 0, done.stderr
    assert "cyan" in done.stdout
    assert "128" in done.stdout
