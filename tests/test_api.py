"""The public Python interface: the examples of docs/api.md run, and nothing that a process shares is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, STAND_IN

PAGE = (ROOT / "docs/api.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# What a process shares: taken before and after the library is imported and used.
SHARED_STATE = """
import ctypes, json, os, signal, sys, urllib.request, warnings, logging

def state():
    return {
        "filters": repr(warnings.filters),
        "finders": [repr(finder) for finder in sys.meta_path],
        "opener": repr(urllib.request._opener),
        "signals": [repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "environment": dict(os.environ),
        "descriptors": [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)],
        "hooks": [repr(sys.excepthook), repr(sys.unraisablehook)],
        "cores": sorted(os.sched_getaffinity(0)),
        "logging": repr(logging.getLogger().handlers),
        "recursion": sys.getrecursionlimit(),
    }
"""


def python(folder, code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_the_examples_of_the_page_run_as_they_stand(tmp_path):
    done = python(tmp_path, "\n".join(EXAMPLES))
    assert re.search(r"^\d+% of \d+ test photos$", done.stdout, re.MULTILINE)
    assert "[('daisy', " in done.stdout
    assert "100 of 100 photos" not in done.stderr
    assert "cannot find" in done.stdout or "no_such_folder" in done.stdout


def test_every_public_name_is_on_the_page():
    import label_image
    import retrain

    for name in {*retrain.__all__, *label_image.__all__} - {"Overrides"}:
        assert f"`{name}" in PAGE or f"import {name}" in PAGE, name


@pytest.fixture(scope="module")
def used(tmp_path_factory, colour_photos, model_dir):
    """What the library says and changes when it is used from a program of somebody else's."""
    code = f"""{SHARED_STATE}
import importlib.util, numpy, PIL.Image  # NumPy has warning filters of its own
if importlib.util.find_spec("importlib_metadata"):  # exchanges the finder of versions when it is imported, by pygal
    import importlib_metadata
before = state()
from retrain import train
from label_image import Classifier
events = []
run = train({str(colour_photos)!r}, architecture={STAND_IN!r}, model_dir={str(model_dir)!r}, how_many_training_steps=50, export="tflite",
            on_event=lambda event: events.append((event.kind, event.text, event.done, event.total)))
answers = list(Classifier(run.exported("tflite")).classify_all([{str(min((colour_photos / "cyan").glob("*.jpg")))!r}]))
after = state()
print(json.dumps({{
    "changed": {{key: [before[key], after[key]] for key in before if before[key] != after[key]}}, "events": events,
    "accuracy": run.accuracy, "labels": run.labels, "recall": [one.recall for one in run.per_class],
    "exports": [[one.kind, str(one.path), one.agreement] for one in run.exports], "report": str(run.report),
    "tested": run.tested, "interval": run.interval, "record": run.record.fields["plan"]["image_dir"],
    "answer": answers[0].top(1)[0][0], "modules": sorted(name for name in sys.modules if "." not in name),
}}))
"""
    done = python(tmp_path_factory.mktemp("used"), code)
    return json.loads(done.stdout), done.stderr


def test_nothing_is_printed_and_events_tell_what_the_command_would_print(used):
    found, stderr = used
    # Native code of LiteRT writes a line of its own; hiding it would change a descriptor that is not ours.
    assert [line for line in stderr.splitlines() if "XNNPACK delegate" not in line] == []
    kinds = {kind for kind, *_ in found["events"]}
    assert {"info", "result", "progress"} <= kinds <= {"info", "result", "progress", "warning"}
    steps = [(done, total) for kind, text, done, total in found["events"] if (kind, text) == ("progress", "steps")]
    assert steps[-1][1] == 50
    assert any(text.startswith("Final test accuracy = ") for kind, text, *_ in found["events"])


def test_the_run_says_what_its_record_says(used, colour_photos):
    found, _ = used
    assert found["labels"] == ["cyan", "magenta", "yellow"]
    assert found["accuracy"] == 1.0
    assert found["recall"] == [1.0, 1.0, 1.0]
    assert found["tested"] >= 3
    assert found["interval"][0] < 1.0 == found["interval"][1]
    assert found["record"] == str(colour_photos)
    assert [kind for kind, *_ in found["exports"]] == ["tflite", "labels", "checkpoint"]
    assert found["exports"][0][1:] == ["tf_files/retrained.tflite", 1.0]
    assert found["report"].endswith("report.html")
    assert found["answer"] == "cyan"


def test_what_the_process_shares_is_as_before(used):
    found, _ = used
    assert found["changed"] == {}


@pytest.mark.parametrize(
    ("words", "error", "line"),
    [
        ('"none"', "UserError", "none"),
        ('"."', "UserError", ""),
        ('".", device="cpu:1"', "UserError", "belongs to your program"),
        ('".", logging_verbosity="DEBUG"', "UserError", "use on_event"),
        ('".", learning_rate=-1', "UserError", "--learning_rate=-1 is out of range"),
        ('".", no_such_option=1', "TypeError", "no_such_option"),
    ],
)
def test_a_mistake_is_an_exception_with_one_line(tmp_path, words, error, line):
    done = python(
        tmp_path,
        f"from retrain import *\ntry: train({words})\nexcept {error} as error: print('caught', error)",
    )
    assert done.stdout.startswith("caught")
    assert line in done.stdout
    assert done.stderr == ""
