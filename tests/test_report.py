"""The page of a run, in a real browser: its figures are those of run.json, its cells open photos, everyone can read it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from retrain.report import page as page_module
from retrain.report.cli import main
from retrain.report.figures import FORMS, printable
from retrain.runs.make_record import MOST_MISTAKES
from retrain.runs.record import read_record, write_record
from retrain.runs.record_schema import fault
from tests.browser import DESKTOP, PHONE, open_page, serious, wider_than_the_screen
from tests.conftest import COLOURS, STAND_IN, run_module, write_photo

HOSTILE = "<img src=x onerror=alert(1)> \"'&{{7*7}}"
NOT_UTF8 = os.fsdecode(b"caf\xe9")
NUMBERS = """() => [...document.querySelectorAll("data")].map(
    (one) => ({value: one.value, place: one.dataset.of, form: one.dataset.form, text: one.textContent}))"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, model_dir) -> Path:
    """The folder of a run with mistakes that cannot be avoided, and with labels and names that are attacks."""
    place = tmp_path_factory.mktemp("report")
    for label, colour in {**COLOURS, HOSTILE: COLOURS["cyan"]}.items():
        for number in range(24):
            name = f"{NOT_UTF8 if label == 'cyan' else label}_{number:03d}.jpg"
            write_photo(place / "photos" / label / name, colour, number + 100 * len(label))
    (place / "photos/cyan/broken <b>.jpg").write_bytes(b"\xff\xd8 cut")
    done = run_module(
        "retrain", "--image_dir=photos", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=200", "--testing_percentage=30", "--output_graph=", cwd=place, errors="surrogateescape",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = re.findall(r"^wrote (.*report\.html)$", done.stdout, re.MULTILINE)
    return place / Path(report[0]).parent


@pytest.fixture(scope="module")
def record(run) -> dict:
    return dict(read_record(run).fields)


@pytest.fixture
def opened(page, run):
    """The report, opened from its file."""
    page.on("dialog", lambda dialog: pytest.fail(f"a name ran as a script: {dialog.message}"))
    open_page(page, run / "report.html")
    return page


def at(record, place):
    for step in json.loads(place):
        record = record[step]
    return record


def mistakes_of(record):
    wrong = [photo for photo in record["test_photos"] if photo["label"] != photo["predicted"]]
    return sorted(wrong, key=lambda photo: -photo["score"])


def assert_figures_are_those_of(record, page, least):
    numbers = page.evaluate(NUMBERS)
    assert len(numbers) >= least
    for one in numbers:
        value = at(record, one["place"])
        assert json.loads(one["value"]) == value, one
        assert one["text"] == FORMS[one["form"]](value), one
    return {one["place"] for one in numbers}


def test_every_figure_is_that_of_the_record(opened, record):
    places = assert_figures_are_those_of(record, opened, 200)
    for place in ('["accuracy"]', '["interval_95", 0]', '["metrics", "calibration_error"]', '["kept_step"]'):
        assert place in places


def test_the_first_words_say_what_it_is_worth(opened, record):
    low, high = record["interval_95"]
    assert opened.locator("h1").inner_text() == f"Accuracy {record['accuracy']:.1%}".replace("%", " %")
    words = opened.locator(".lead").inner_text()
    assert f"Of {record['tested']} test photos" in words
    assert f"The 95% confidence interval is {low * 100:.1f} % to {high * 100:.1f} %" in words


def test_every_cell_opens_the_photos_in_it(opened, record):
    buttons = opened.locator("td button[data-cell]")
    assert buttons.count() == sum(count > 0 for row in record["metrics"]["confusion"] for count in row)
    seen = 0
    for button in buttons.all():
        row, column = map(int, button.get_attribute("data-cell").split(","))
        truth, guess = record["labels"][row], record["labels"][column]
        wanted = [p for p in record["test_photos"] if (p["label"], p["predicted"]) == (truth, guess)]
        wanted.sort(key=lambda photo: photo["score"] if truth == guess else -photo["score"])
        button.click()
        captions = opened.locator("dialog figcaption").all_inner_texts()
        assert [text.split("\n")[0] for text in captions] == [f"score {p['score'] * 100:.1f} %" for p in wanted]
        names = [text.split("\n")[1] for text in captions]
        assert names == ["/".join(printable(p["path"]).split("/")[-2:]) for p in wanted]
        loaded = opened.evaluate(
            "Promise.all([...document.querySelectorAll('dialog img')].map((i) => i.decode().then(() => i.naturalWidth)))"
        )
        assert len(loaded) == len(wanted) == record["metrics"]["confusion"][row][column]
        assert min(loaded) > 0
        seen += len(loaded)
        opened.keyboard.press("Escape")
    assert seen == record["tested"]


def test_the_keyboard_opens_and_closes_a_cell_and_is_back_where_it_was(opened):
    button = opened.locator("td button[data-cell]").nth(1)
    button.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("dialog").evaluate("(dialog) => dialog.open")
    assert opened.evaluate("document.activeElement.textContent") == "Close"
    opened.keyboard.press("Enter")
    assert not opened.locator("dialog").evaluate("(dialog) => dialog.open")
    assert button.evaluate("(button) => button === document.activeElement")


def test_every_cell_is_reached_with_the_tab_key(opened):
    opened.locator("h1").click()
    reached = set()
    for _ in range(120):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate("document.activeElement.dataset.cell || ''"))
    assert len(reached - {""}) == opened.locator("button[data-cell]").count()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(page, run, size, dark):
    open_page(page, run / "report.html", size=size, dark=dark)
    for details in page.locator("details").all():
        details.evaluate("(one) => { one.open = true; }")
    assert serious(page) == []
    assert wider_than_the_screen(page) == 0
    light = int(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]"))
    assert (light < 60) is dark
    page.locator("td.wrong button[data-cell]").first.click()
    assert serious(page) == []
    assert wider_than_the_screen(page) == 0


def test_mistakes_stand_with_the_highest_score_first_with_both_labels_scores_maps_and_neighbours(opened, record):
    articles = opened.locator("article").all()
    wanted = mistakes_of(record)
    assert len(articles) == len(wanted) > 3
    for article, photo in zip(articles, wanted, strict=True):
        heading = article.locator("h3").text_content()
        assert heading == f"{printable(photo['label'])}, predicted {printable(photo['predicted'])}"
        assert article.locator("tr.true th").text_content() == f"{printable(photo['label'])} (true class)"
        pictures = [image.get_attribute("alt") for image in article.locator("img").all()]
        wrong, right = printable(photo["predicted"]), printable(photo["label"])
        assert pictures[:3] == ["the photo", f"heat map for {wrong}", f"heat map for {right}"]
        assert pictures[3:] == [f"training photo of {printable(near['label'])}" for near in photo["nearest"]]
        assert len(photo["nearest"]) == 3


def test_a_heat_map_adds_up_to_the_difference_of_the_logits(run, record, monkeypatch):
    from retrain.report import explain

    monkeypatch.chdir(run.parents[2])
    sums = []
    monkeypatch.setattr(explain, "overlay", lambda pixels, shares, top: sums.append(shares.mean()) or pixels)
    head, wrong = explain.find_head(record), mistakes_of(record)
    assert all(explain.heat_maps(record["backbone"], head, wrong[:1]))
    scores = wrong[0]["scores"]
    truth, guess = (record["labels"].index(wrong[0][key]) for key in ("label", "predicted"))
    assert sums[0] == pytest.approx(np.log(scores[guess] / scores[truth]), abs=1e-3)
    assert sums[1] == -sums[0]


def test_hostile_names_are_shown_as_they_are(opened, run):
    text = (run / "report.html").read_text("utf-8")  # strict: the page is UTF-8
    assert "<img src=x" not in text
    assert "49" not in opened.locator(".matrix thead").inner_text()
    assert HOSTILE in [" ".join(one.split()) for one in opened.locator(".matrix tbody th").all_inner_texts()]
    assert "cyan/caf\\xe9_0" in opened.locator("main").inner_text()
    assert opened.locator("img[src='x']").count() == 0
    assert "broken <b>.jpg" in opened.locator("#photos ~ details").first.text_content()


def test_a_script_that_slips_in_would_not_run(opened):
    opened.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.bad = 1'}))"
    )
    assert opened.evaluate("window.bad") is None


def test_the_lines_of_the_training_charts_are_the_curve(opened, record):
    curve = record["curve"]
    for index, what in enumerate(("accuracy", "loss")):
        figure = opened.locator(".two figure").nth(index)
        across, up = [], []
        series = {
            0: curve[f"train_{what}"],
            1: curve[f"validation_{what}"],
            **({3: curve["judged_loss"]} if what == "loss" else {}),
        }
        assert figure.locator(".plot:not(.overlay) .serie-3 path").count() == int(what == "loss")
        for serie, figures in series.items():
            path = figure.locator(f".plot:not(.overlay) .serie-{serie} path").first.get_attribute("d")
            points = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float)
            assert len(points) == len(curve["steps"])
            across.append(np.stack([points[:, 0], curve["steps"]]))
            up.append(np.stack([points[:, 1], figures]))
        for pairs in (np.concatenate(across, axis=1), np.concatenate(up, axis=1)):  # one straight scale fits all points
            slope, start = np.polyfit(pairs[1], pairs[0], 1)
            assert np.abs(slope * pairs[1] + start - pairs[0]).max() < 0.01
            assert abs(slope) > 1e-6
        kept = figure.locator(".plot:not(.overlay) .serie-2 path").first.get_attribute("d")
        slope, start = np.polyfit(curve["steps"], across[0][0], 1)
        assert float(re.findall(r"[\d.]+", kept)[0]) == pytest.approx(slope * record["kept_step"] + start, abs=0.01)


def test_the_curve_shows_what_the_kept_step_was_chosen_by(opened, record):
    curve = record["curve"]
    assert record["kept_step"] == curve["steps"][int(np.argmin(curve["judged_loss"]))]
    section = opened.locator("section", has=opened.locator("#training"))
    words = section.locator("p").first.inner_text()
    assert (
        f"which has the lowest loss on {curve['judged_photos']} validation photos (the line “all validation photos”"
        in words
    )
    assert "all validation photos" in section.locator(".key").nth(1).text_content()
    section.locator("summary").click()
    shown = [float(text) for text in section.locator("tbody td:last-child").all_inner_texts()]
    kept = float(section.locator("tr.true td:last-child").inner_text())
    assert kept == min(shown)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("judged_loss", [1.0]),
        ("judged_loss", "x"),
        ("judged_photos", "9"),
        ("share_losses", [[0.0]]),
        ("share_losses", [1.0]),
    ],
)
def test_a_record_whose_choice_is_damaged_is_known_as_such(record, key, value):
    assert fault(record) == ""
    assert "curve" in fault({**record, "curve": {**record["curve"], key: value}})
    old = {
        name: item
        for name, item in record["curve"].items()
        if name not in ("judged_loss", "judged_photos", "share_losses")
    }
    assert fault({**record, "curve": old}) == ""  # of an earlier version


def test_a_class_figure_from_few_photos_says_so_with_its_interval(opened, record):
    rows = opened.locator("section", has=opened.locator("#classes")).locator("tbody tr").all()
    few = 0
    for row, one in zip(rows, record["metrics"]["per_class"], strict=True):
        cells = row.locator("td").all_inner_texts()
        low, high = one["recall_interval"]
        assert cells[3] == f"{low * 100:.1f} % to {high * 100:.1f} %"
        for cell, count in ((cells[0], one["given"]), (cells[2], one["support"])):
            assert (f"from only {count} photo" in cell) is (0 < count < 10)
            few += 0 < count < 10
        assert int(cells[4]) == one["support"]
    assert few


@pytest.mark.parametrize("character", ["\x01", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\ufffe"])
def test_control_characters_in_names_of_classes_and_folders_are_shown_and_break_nothing(record, character):
    odd = f"do{character}g"
    photos = [
        {"path": f"photos/{label}/{number}{character}.jpg", "label": label, "predicted": odd, "score": 0.9}
        for label in ("cat", odd)
        for number in range(3)
    ]
    counts = {label: dict.fromkeys(("training", "validation", "testing"), 3) for label in ("cat", odd)}
    made = {
        **{key: record[key] for key in ("accuracy", "interval_95", "curve", "kept_step", "audit")}, "format": 2, "labels": ["cat", odd],
        "tested": 6, "test_photos": photos, "counts": counts, "plan": {"image_dir": f"pho{character}tos"}, "notes": [f"note {character}"],
        "skipped": [{"path": f"x{character}", "reason": f"r{character}", "detail": character}],
    }  # fmt: skip
    text = page_module.page(made, None, Path("run"))
    assert character not in text
    shown = ascii(character)[1:-1]
    assert f"do{shown}g" in text
    assert f"pho{shown}tos: how good" in text
    (chart,) = re.findall(r"<svg[^>]*>(?:(?!</svg>).)*photos(?:(?!</svg>).)*</svg>", text, re.DOTALL)[-1:]
    assert f"do{shown}g" in chart


def test_the_dots_of_the_reliability_diagram_are_the_bins(opened, record):
    dots = opened.locator(".trust .serie-1 circle").evaluate_all(
        "(all) => all.map((c) => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
    )
    bins = [one for one in record["metrics"]["reliability"] if one["photos"]]
    assert len(dots) == len(bins)
    line = opened.locator(".trust .serie-0 path").first.get_attribute("d")
    (left, low), (right, high) = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", line), float)  # from (0, 0) to (1, 1)
    for (x, y), one in zip(dots, bins, strict=True):
        assert (x - left) / (right - left) == pytest.approx(one["confidence"], abs=1e-3)
        assert (y - low) / (high - low) == pytest.approx(one["accuracy"], abs=1e-3)


def test_the_commands_of_the_page_do_what_they_say(opened, run, record):
    import shlex

    from label_image.flags import parse
    from retrain.options.options import Options

    commands = opened.locator("pre").all_inner_texts()
    repeat, label, again = (shlex.split(command) for command in commands)
    assert parse(Options, repeat[3:], "retrain")[0] == Options.of(**record["plan"])
    assert label[:4] == ["python", "-m", "label_image", "--graph=tf_files/retrained.tflite"]
    assert again == ["python", "-m", "retrain.report", str(run.relative_to(run.parents[2]))]
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    done = run_module("retrain.report", *again[3:], cwd=run.parents[2])
    assert (done.returncode, done.stdout) == (0, f"wrote {again[3]}/report.html\n"), done.stderr
    assert (run / "report.html").read_bytes() == before


@pytest.fixture
def copied(run, tmp_path, monkeypatch):
    """A copy of all that the run read and wrote; its place is the current folder."""
    shutil.copytree(run.parents[2], tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return run.relative_to(run.parents[2])


def test_a_report_made_after_the_photos_moved_says_what_is_not_shown(copied, page, record):
    shutil.move("photos", "elsewhere")
    assert main([str(copied)]) == 0
    open_page(page, copied / "report.html")
    assert "were moved, deleted or changed after the run" in page.locator(".note").first.inner_text()
    assert_figures_are_those_of(record, page, 200)
    page.locator("td button[data-cell]").first.click()
    assert page.locator("dialog .gone").count() > 0
    assert page.locator("img").count() == 0


def test_another_photo_in_a_photos_place_is_not_shown(copied, page, record):
    photo = mistakes_of(record)[0]
    write_photo(Path(photo["path"]), (0, 0, 0), 1)
    assert main([str(copied)]) == 0
    open_page(page, copied / "report.html")
    assert page.locator("article").first.locator(".gone").count() == 1
    assert page.locator("article").nth(1).locator(".gone").count() == 0


def test_a_layer_that_was_written_over_draws_no_heat_map(copied, page):
    for name in ("retrained.tflite", "retrain_checkpoint.npz"):
        for folder in (copied, Path("tf_files")):
            with (folder / name).open("ab") as file:
                file.write(b"something else")
    assert main([str(copied)]) == 0
    open_page(page, copied / "report.html")
    assert "the trained layer was deleted or changed after the run" in page.locator(".note").first.inner_text()
    assert page.locator("article").first.locator("img").count() == 4


def test_the_layer_in_the_tflite_does_where_the_checkpoint_is_gone(copied, run):
    (copied / "retrain_checkpoint.npz").unlink()
    assert main([str(copied)]) == 0
    assert "no heat maps" not in Path(copied, "report.html").read_text("utf-8")
    assert Path(copied, "report.html").read_text("utf-8").count("heat map for") > 3


def test_without_a_name_the_newest_run_is_drawn(copied, capsys):
    (copied / "report.html").unlink()
    assert main([]) == 0
    assert capsys.readouterr().out == f"wrote {copied}/report.html\n"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["nowhere"], 2, "no run at nowhere: No such file or directory; give a folder of"),
        (["a", "b"], 2, "give one run only"),
        (["broken.json"], 1, "it is not JSON"),
        (["list.json"], 1, "it is not the record of a run"),
        (["later.json"], 1, "it has format 99"),
        (["--oops"], 2, "unknown flag --oops"),
        ([], 2, "no run in tf_files/runs; train first"),
    ],
)
def test_a_mistake_is_one_line(words, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[1]")
    Path("later.json").write_text('{"format": 99}')
    assert main(words) == status
    err = capsys.readouterr().err
    assert err.startswith("retrain.report: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("kept", [(), ("plan", "labels", "test_photos", "accuracy", "tested", "interval_95")])
def test_a_record_that_lacks_most_of_it_is_shown_as_far_as_it_goes(kept, record, page, tmp_path):
    part = {"format": 1, **{key: record[key] for key in kept}}
    part["test_photos"] = [
        {key: photo[key] for key in ("path", "label", "predicted", "score")} for photo in part.get("test_photos", [])
    ]
    write_record(tmp_path, part)
    assert main([str(tmp_path)]) == 0
    open_page(page, tmp_path / "report.html")
    assert serious(page) == []
    assert (page.locator(".matrix").count() == 1) is bool(kept)
    if not kept:
        assert page.locator("h1").inner_text() == "Not tested"


AUDIT = {
    "suspects": [{"path": "P0", "label": "cyan", "suggested": "yellow", "quality": 0.02, "list": "training"}],
    "duplicates": [
        {
            "first": "P0", "second": "P1", "first_list": "training", "second_list": "testing", "first_label": "cyan",
            "second_label": "magenta", "exact": False, "similarity": 0.99,
        }
    ],
    "leaks": 1,
    "accuracy_without_leaks": 0.75,
    "tested_without_leaks": 40,
    "learning_curve": [
        {"photos": 20, "accuracy": 0.5, "per_class": {"cyan": 0.25, "yellow": None}},
        {"photos": 40, "accuracy": 0.7, "per_class": {"cyan": 0.5, "yellow": 1.0}},
    ],
    "advice": ["more photos of <cyan> would help"],
    "seconds": 1.0,
    "missing": "labels are not judged: <few> photos",
}  # fmt: skip


def test_what_the_audit_found_and_what_exports_measure_is_shown(record, page, tmp_path, monkeypatch, run):
    monkeypatch.chdir(run.parents[2])
    first, second = (photo["path"] for photo in record["test_photos"][:2])
    audit = json.loads(json.dumps(AUDIT).replace("P0", "first").replace("P1", "second"))
    audit["suspects"][0]["path"], audit["duplicates"][0]["first"], audit["duplicates"][0]["second"] = (
        first,
        first,
        second,
    )
    exports = [
        {**record["exports"][0], "quantize": "int8", "agreement": 0.98, "accuracy": 0.9, "interval": [0.8, 0.95], "ms_image": 4.2},
        *record["exports"][1:],
    ]  # fmt: skip
    full = {**record, "audit": audit, "exports": exports}
    write_record(tmp_path, full)
    assert main([str(tmp_path)]) == 0
    open_page(page, tmp_path / "report.html")
    places = assert_figures_are_those_of(full, page, 200)
    assert {
        '["audit", "learning_curve", 1, "per_class", "cyan"]',
        '["exports", 0, "ms_image"]',
        '["audit", "leaks"]',
    } <= places
    assert page.locator(".advice li").all_inner_texts() == audit["advice"]
    assert audit["missing"] in page.locator(".note").all_inner_texts()
    assert "looks like yellow" in page.locator("#audit ~ .album").first.inner_text()
    assert page.locator("#audit ~ .pairs img").count() == 2
    assert "int8" in page.locator("section", has=page.locator("#exports")).inner_text()
    dots = page.locator("section", has=page.locator("#learning")).locator("circle")
    assert dots.count() == 2
    assert serious(page) == []


def many_photos(record, classes, each):
    """A record of `each` test photos of each of `classes` classes; a tenth is taken for the next class."""
    labels = [f"class {k:03d}" for k in range(classes)]
    photos = [
        {
            "path": f"photos/{label}/{number}.jpg", "label": label, "score": 0.5 + number / each / 2,
            "predicted": labels[(k + (number % 10 == 0)) % classes],
        }
        for k, label in enumerate(labels)
        for number in range(each)
    ]  # fmt: skip
    return {**{key: record[key] for key in ("plan", "accuracy", "interval_95")}, "format": 1, "labels": labels,
            "tested": len(photos), "test_photos": photos}  # fmt: skip


def test_a_cell_of_many_photos_shows_some_and_says_so(record, page, tmp_path):
    write_record(tmp_path, many_photos(record, 3, 2000))
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "report.html").stat().st_size < 2e6
    open_page(page, tmp_path / "report.html")
    assert page.locator("article").count() == MOST_MISTAKES
    assert "the 60 with the highest scores are shown" in page.locator("#mistakes + p").inner_text()
    page.locator("td.right button").first.click()
    assert page.locator("dialog li").count() == page_module.MOST_IN_A_CELL
    assert (
        page.locator("#dialog-more").inner_text()
        == f"{page_module.MOST_IN_A_CELL} of 1800 photos are shown; all are in run.json."
    )


def test_many_classes_are_listed_as_pairs(record, page, tmp_path):
    write_record(tmp_path, many_photos(record, 200, 20))
    assert main([str(tmp_path)]) == 0
    open_page(page, tmp_path / "report.html", size=PHONE)
    assert page.locator(".matrix").count() == 0
    assert page.locator("button[data-cell]").count() == 200
    page.locator("button[data-cell]").first.click()
    assert page.locator("dialog li").count() == 2
    assert wider_than_the_screen(page) == 0


def test_report_none_makes_none(retrain_here, colour_photos, model_dir, tmp_path):
    flags = (f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}")
    done = retrain_here(*flags, "--how_many_training_steps=20", "--output_graph=", "--report=none")
    assert done.returncode == 0, done.stderr
    assert "report" not in done.stdout
    assert not list(tmp_path.glob("tf_files/runs/*/report.html"))


def test_a_run_without_mistakes_says_so(trained, page):
    report = next(trained.glob("tf_files/runs/*/report.html"))
    open_page(page, report)
    assert page.locator("article").count() == 0
    assert "None: all " in page.locator("#mistakes + p").inner_text()
    assert serious(page) == []


def test_making_a_report_leaves_python_s_imports_as_they_were(copied):
    import sys

    before = list(sys.meta_path)
    assert main([]) == 0
    assert sys.meta_path == before


def test_making_a_report_imports_no_tensorflow(copied):
    code = (
        "import sys; from retrain.report.cli import main; main([]); "
        "assert not {'tensorflow', 'matplotlib', 'sklearn', 'keras'} & {name.split('.')[0] for name in sys.modules}"
    )
    Path("probe.py").write_text(code)
    done = run_module(
        "probe", cwd=Path.cwd(), env={"PYTHONPATH": f"{Path(page_module.__file__).parents[2]}:{Path.cwd()}"}
    )
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
