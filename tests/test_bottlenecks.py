"""Tests the extraction of features: with the mean-colour backbone on real JPEGs, and with small fakes where an error is needed."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from label_image import photo_pixels
from label_image.errors import PhotoError, RunError
from label_image.model_kinds.reader import Runner
from retrain import progress
from retrain.backbones.prepare import prepare
from retrain.data import augment
from retrain.data.augment import View
from retrain.features import extraction, library_versions
from retrain.features.extraction import Interrupted, extract, key_for
from retrain.features.runtimes import Runtime, choose
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.store.feature_store import Store
from retrain.types import Photo
from tests.conftest import STAND_IN, write_photo
from tests.test_workers import threads

COLOURS = ((20, 200, 210), (210, 20, 200), (220, 210, 20))


@pytest.fixture(scope="module")
def backbone(model_dir):
    return prepare(Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, lambda _: None)


@pytest.fixture
def litert(backbone):
    return choose(backbone, "cpu")


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "kept")) as opened:
        yield opened


@pytest.fixture
def one_core(monkeypatch):
    """What is done at a planned fault is then known."""
    monkeypatch.setattr(extraction, "cores", lambda: 1)


@pytest.fixture
def photos(tmp_path):
    """Six photos in three colours."""
    return [photo_at(write_photo(tmp_path / f"{n}.jpg", COLOURS[n % 3], n)) for n in range(6)]


class Counting:
    """Says of each photo the mean of its normalised channels, and notes what it was given. `fault` may raise."""

    def __init__(self, fault=lambda _: None):
        self.calls, self.seen, self.fault = [], 0, fault
        self._lock = threading.Lock()

    def scores(self, batch):
        with self._lock:
            self.calls.append(len(batch))
            before = self.seen
            self.seen += len(batch)
        self.fault(range(before, self.seen))
        return batch.mean(axis=(1, 2))


def photo_at(path, label="c"):
    return Photo(str(path), label, file_digest(path))


def fake(runner, batch=1):
    return Runtime("fake", "cpu", "", lambda: runner, batch)


def extracted(photos, backbone, runtime, store, view=View(), say=lambda _: None):  # noqa: B008 - a frozen noun
    return extract(photos, backbone, lambda: runtime, store, view, say)


def broken_photo(tmp_path, name="broken.jpg"):
    whole = write_photo(tmp_path / "whole.jpg", COLOURS[0], 77).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    return photo_at(tmp_path / name)


def many_photos(tmp_path, count):
    """Tiny ones, fast to decode."""
    (tmp_path / "many").mkdir()
    for number in range(count):
        Image.new("RGB", (8, 8), (number % 256, number // 256, 9)).save(tmp_path / "many" / f"{number:04d}.png")
    return [photo_at(path) for path in sorted((tmp_path / "many").iterdir())]


# With a real network


def test_features_are_the_mean_colours_of_real_jpegs(photos, backbone, litert, store):
    got = extracted(photos, backbone, litert, store)
    assert (got.features.dtype, got.features.shape, got.pace.computed) == (np.float32, (6, 3), 6)
    assert got.readable.all()
    assert got.problems == {}
    for row, photo in zip(got.features, photos, strict=True):  # the stand-in adds 1: 0..2
        colour = photo_pixels.decode(photo.path, 128, 128).mean(axis=(0, 1))
        np.testing.assert_allclose(row, 1 + (colour - 127.5) / 127.5, atol=5e-4)  # float32 sums of 128 x 128


def test_a_second_call_computes_nothing_and_opens_no_photo(photos, backbone, litert, store, tmp_path):
    first = extracted(photos, backbone, litert, store)
    for path in tmp_path.glob("*.jpg"):
        path.unlink()
    second = extracted(photos, backbone, fake_named_as(litert), store)
    assert (second.pace.computed, second.pace.seconds) == (0, 0.0)
    assert second.features.tobytes() == first.features.tobytes()


def fake_named_as(runtime):
    """The same by name, but what would run the network fails."""

    def refuse():
        raise AssertionError("a runner was made")

    return dataclasses.replace(runtime, make_runner=refuse)


def test_a_new_photo_is_all_that_is_computed(photos, backbone, litert, store):
    extracted(photos[:5], backbone, litert, store)
    got = extracted(photos[::-1], backbone, litert, store)
    assert got.pace.computed == 1
    assert got.features.tobytes() == extracted(photos, backbone, litert, store).features[::-1].tobytes()


def test_a_changed_photo_is_computed_again(photos, backbone, litert, store, tmp_path):
    before = extracted(photos[:1], backbone, litert, store)
    write_photo(tmp_path / "0.jpg", COLOURS[1], 0)
    after = extracted([photo_at(tmp_path / "0.jpg")], backbone, litert, store)
    assert after.pace.computed == 1
    assert np.abs(after.features - before.features).max() > 0.5


def test_each_view_has_features_of_its_own(photos, backbone, litert, store):
    views = [View(), View(1, random_brightness=50), View(2, random_brightness=50), View(1, random_brightness=40)]
    features = [extracted(photos, backbone, litert, store, view).features for view in views]
    assert all((one != other).any() for one, other in itertools.combinations(features, 2))
    again = [extracted(photos, backbone, fake_named_as(litert), store, view).features for view in views]
    assert all((one == other).all() for one, other in zip(features, again, strict=True))


# Duplicates and photos that cannot be read


def test_photos_with_the_same_bytes_are_computed_once(photos, backbone, store, tmp_path):
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "1.jpg").read_bytes())
    runner = Counting()
    got = extracted([photos[1], photos[0], photo_at(tmp_path / "copy.jpg")], backbone, fake(runner), store)
    assert (runner.seen, got.pace.computed) == (2, 2)
    assert got.readable.all()
    assert got.features[0].tolist() == got.features[2].tolist() != got.features[1].tolist()


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_unreadable_photos_are_reported_by_place_and_the_others_are_right(photos, backbone, store, tmp_path, batch):
    asked = [photos[0], broken_photo(tmp_path), photos[1], broken_photo(tmp_path, "again.jpg"), photos[2]]
    got = extracted(asked, backbone, fake(Counting(), batch), store)
    assert sorted(got.problems) == [1, 3]
    assert {problem.reason for problem in got.problems.values()} == {"cut short"}
    assert got.readable.tolist() == [True, False, True, False, True]
    assert (got.features[[1, 3]] == 0).all()
    alone = extracted(photos[:3], backbone, fake(Counting()), store)
    assert got.features[[0, 2, 4]].tobytes() == alone.features.tobytes()


def test_an_unreadable_photo_is_tried_again_next_time(photos, backbone, store, tmp_path):
    asked = [photos[0], broken_photo(tmp_path)]
    assert [extracted(asked, backbone, fake(Counting()), store).pace.computed for _ in range(2)] == [2, 1]


def test_nothing_but_unreadable_photos_is_no_error(backbone, store, tmp_path):
    for batch in (1, 3):
        got = extracted([broken_photo(tmp_path)], backbone, fake(Counting(), batch), store)
        assert list(got.problems) == [0]


@pytest.mark.parametrize("batch", [1, 3])
def test_features_that_are_no_numbers_are_a_problem_of_that_photo(photos, backbone, store, batch):
    class Sick(Counting):
        def scores(self, batch):
            rows = super().scores(batch)
            rows[rows[:, 0] < -0.5] = np.nan  # the two cyan ones
            return rows

    got = extracted(photos, backbone, fake(Sick(), batch), store)
    assert {place: problem.reason for place, problem in got.problems.items()} == {0: "no features", 3: "no features"}
    assert np.isfinite(got.features).all()
    assert extracted(photos, backbone, fake(Counting()), store).pace.computed == 2


def test_no_photo_gives_no_row(backbone, store):
    assert extracted([], backbone, fake(Counting()), store).features.shape == (0, 3)


# Batches


@pytest.mark.parametrize("batch", [2, 5, 6, 32])
def test_a_runtime_with_batches_gives_the_same_rows_in_the_same_order(photos, backbone, store, batch):
    one = extracted(photos, backbone, fake(Counting()), store)
    runner = Counting()
    runtime = dataclasses.replace(fake(runner, batch), device="gpu")
    assert extracted(photos, backbone, runtime, store).features.tobytes() == one.features.tobytes()
    assert runner.calls == [batch] * (6 // batch) + [6 % batch] * bool(6 % batch)


def test_each_core_has_a_runner_of_its_own_and_a_batch_runtime_has_one(photos, backbone, store, monkeypatch):
    monkeypatch.setattr(extraction, "cores", lambda: 3)
    made = []
    runtime = Runtime("fake", "cpu", "", lambda: cast("Runner", made.append(1) or Counting()), 1)
    extracted(photos, backbone, runtime, store)
    assert 1 <= len(made) <= 3
    made.clear()
    extracted(photos, backbone, dataclasses.replace(runtime, device="gpu", batch=4), store)
    assert made == [1]


# Ctrl-C, kills and failures


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("batch", [1, 8])
def test_ctrl_c_keeps_what_is_done_and_the_next_call_computes_the_rest(backbone, store, tmp_path, batch):
    photos = many_photos(tmp_path, 60)

    def interrupt(numbers):
        if 40 in numbers:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        extracted(photos, backbone, fake(Counting(interrupt), batch), store)
    assert (caught.value.done, caught.value.total) == (40, 60)
    runner = Counting()
    got = extracted(photos, backbone, fake(runner, batch), store)
    assert runner.seen == got.pace.computed == 20
    assert got.readable.all()
    fresh = dataclasses.replace(fake(Counting(), batch), name="fresh")
    assert extracted(photos, backbone, fresh, store).features.tobytes() == got.features.tobytes()


@pytest.mark.usefixtures("one_core")
def test_ctrl_c_counts_what_earlier_runs_have_kept(backbone, store, tmp_path):
    photos = many_photos(tmp_path, 30)
    extracted(photos[:20], backbone, fake(Counting()), store)

    def interrupt(numbers):
        if 5 in numbers:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        extracted(photos, backbone, fake(Counting(interrupt)), store)
    assert (caught.value.done, caught.value.total) == (25, 30)


def test_ctrl_c_while_rows_are_written_loses_none(backbone, store, tmp_path, monkeypatch):
    photos, real, calls = many_photos(tmp_path, 100), store.write, []

    def write(key, rows):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        real(key, rows)

    monkeypatch.setattr(store, "write", write)
    with pytest.raises(Interrupted) as caught:
        extracted(photos, backbone, fake(Counting()), store)
    assert extracted(photos, backbone, fake(Counting()), store).pace.computed == 100 - caught.value.done == 36


def test_rows_are_committed_a_batch_at_a_time(backbone, store, tmp_path, monkeypatch):
    sizes, real = [], store.write
    monkeypatch.setattr(store, "write", lambda key, rows: sizes.append(len(rows)) or real(key, rows))
    extracted(many_photos(tmp_path, 200), backbone, fake(Counting()), store)
    assert sum(sizes) == 200
    assert max(sizes) <= 64


def test_slow_rows_are_committed_every_two_seconds(photos, backbone, store, monkeypatch):
    clock = itertools.count(0.0, 0.9)  # seconds at each look
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    sizes, real = [], store.write
    monkeypatch.setattr(store, "write", lambda key, rows: sizes.append(len(rows)) or real(key, rows))
    extracted(photos, backbone, fake(Counting()), store)
    assert sizes == [3, 3]


@pytest.mark.usefixtures("one_core")
def test_a_failure_keeps_what_is_done_and_is_raised(backbone, store, tmp_path):
    photos = many_photos(tmp_path, 50)

    def fail(numbers):
        if 30 in numbers:
            raise RunError("the network does not run")

    with pytest.raises(RunError, match="does not run"):
        extracted(photos, backbone, fake(Counting(fail)), store)
    assert extracted(photos, backbone, fake(Counting()), store).pace.computed == 20


def test_no_thread_is_left_when_it_ends_early(backbone, store, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        extracted(many_photos(tmp_path, 40), backbone, fake(Counting(interrupt)), store)
    assert not threads()


# What is said


def test_each_100_photos_the_originals_line_is_said_with_rate_and_time_left(backbone, store, tmp_path):
    said = []
    extracted(many_photos(tmp_path, 250), backbone, fake(Counting()), store, say=said.append)
    assert [line.split(" (")[0] for line in said] == [
        "100 bottleneck files created.",
        "200 bottleneck files created.",
    ]
    assert all("photos/s" in line and line.endswith(" s left)") for line in said)


def test_on_a_terminal_the_line_makes_room_for_what_is_said(backbone, store, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(progress, "_TERMINAL_EVERY_S", 0)
    monkeypatch.setattr(sys, "stderr", terminal)
    photos = many_photos(tmp_path, 120)
    extracted(photos, backbone, fake(Counting()), store, say=lambda line: terminal.write(f"{line}\n"))
    before, after = terminal.getvalue().split("100 bottleneck files created.")
    assert "99 of 120 photos, " in before
    assert before.endswith("\r\x1b[2K")
    assert "101 of 120 photos, " in after
    assert after.endswith("\r\x1b[2K")


# Keys


def test_the_key_differs_when_anything_that_changes_the_numbers_does(backbone):
    runtime, view = fake(Counting()), View(1, flip_left_right=True)
    changes = (
        {"name": "other"}, {"digest": "other"}, {"height_px": 1}, {"width_px": 1}, {"mean": (0.0,)}, {"std": (2.0,)},
        {"features_layer": "other"},
    )  # fmt: skip
    nouns = [(backbone, runtime, view)]
    nouns += [(dataclasses.replace(backbone, **change), runtime, view) for change in changes]
    nouns += [(backbone, dataclasses.replace(runtime, **change), view) for change in ({"name": "x"}, {"device": "gpu"})]
    nouns += [(backbone, runtime, other) for other in (View(), View(2, flip_left_right=True), View(1, random_crop=1))]
    assert len({key_for(*three) for three in nouns}) == len(nouns) == 13


def test_the_key_differs_when_pixels_are_made_in_another_way(backbone, monkeypatch):
    key = key_for(backbone, fake(Counting()), View())
    monkeypatch.setattr(extraction, "RECIPE", "pixels/next")
    assert key_for(backbone, fake(Counting()), View()) != key


def test_where_the_photo_or_the_weights_lie_is_not_in_the_key(backbone, tmp_path):
    moved = dataclasses.replace(backbone, graph=tmp_path, tflite=tmp_path, source="elsewhere", licence="other")
    assert key_for(moved, fake(Counting()), View()) == key_for(backbone, fake(Counting()), View())


def test_a_problem_is_a_value_here_and_never_kept(photos, backbone, store, tmp_path):
    got = extracted([broken_photo(tmp_path)], backbone, fake(Counting()), store)
    assert isinstance(got.problems[0], PhotoError)
    assert not store.read(key_for(backbone, fake(Counting()), View()), [broken_photo(tmp_path).sha256], 3)[1].any()


# Feeding a GPU: batches that do not fit, decoding beside the run


def on_tensorflow(backbone, most, calls):
    """The stand-in on the real TensorFlow runner, whose memory holds `most` photos."""
    import tensorflow as tf

    runtime = choose(dataclasses.replace(backbone, tflite=None, why_no_tflite="on purpose"), "cpu")

    def make_runner():
        runner: Any = runtime.make_runner()
        real = runner._function

        def run(pixels):
            calls.append(len(pixels))
            if len(pixels) > most:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[...]\nmore")
            return real(pixels)

        runner._function = run
        return runner

    return dataclasses.replace(runtime, make_runner=make_runner, batch=16)


def test_a_batch_that_does_not_fit_is_halved_and_said_and_no_photo_is_lost(backbone, litert, store, tmp_path):
    photos, calls, said = many_photos(tmp_path, 40), [], []
    wanted = extracted(photos, backbone, litert, store).features
    got = extracted(photos, backbone, on_tensorflow(backbone, 5, calls), store, say=said.append)
    assert calls == [16, 8, *[4] * 10]  # a size that did not fit is not tried again
    assert [line for line in said if "do not fit" in line] == [
        "16 photos at once do not fit into the device's memory; going on with 8",
        "8 photos at once do not fit into the device's memory; going on with 4",
    ]
    assert got.readable.all()
    np.testing.assert_allclose(got.features, wanted, atol=1e-5)  # sums of 16,384 float32, in another order


def test_where_not_even_one_photo_fits_one_line_says_so(backbone, store, tmp_path):
    with pytest.raises(RunError, match=r"not even one photo fits; use --device=cpu \(1 photos at once .*OOM when"):
        extracted(many_photos(tmp_path, 4), backbone, on_tensorflow(backbone, 0, []), store)


@pytest.mark.usefixtures("one_core")
def test_the_next_batch_is_decoded_while_one_runs(backbone, store, tmp_path, monkeypatch):
    decoded, enough, real = [], threading.Event(), augment.pixels_of

    def pixels_of(photo, *view):
        decoded.append(photo)
        if len(decoded) >= 32:
            enough.set()
        return real(photo, *view)

    def wait_for_the_next(numbers):
        assert enough.wait(20), f"{len(decoded)} photos decoded while the first 16 ran"

    monkeypatch.setattr(extraction, "pixels_of", pixels_of)
    got = extracted(many_photos(tmp_path, 48), backbone, fake(Counting(wait_for_the_next), 16), store)
    assert got.readable.all()
    assert (got.pace.computed, got.pace.first) == (48, 16)
    assert 0 < got.pace.first_seconds <= got.pace.seconds


# Bytes that change, and libraries that do


@pytest.mark.parametrize("batch", [1, 4])
def test_a_photo_replaced_since_the_scan_is_a_problem_and_nothing_is_kept_of_it(photos, backbone, store, batch):
    write_photo(Path(photos[2].path), (1, 2, 3), 99)
    got = extracted(photos, backbone, fake(Counting(), batch), store)
    assert {place: error.reason for place, error in got.problems.items()} == {2: "changed"}
    key = key_for(backbone, fake(Counting(), batch), View())
    assert store.read(key, [photo.sha256 for photo in photos], 3)[1].tolist() == [place != 2 for place in range(6)]


def with_libraries(monkeypatch, **versions):
    monkeypatch.setattr(library_versions, "decoders", lambda: versions)


def test_another_version_of_a_decoder_is_a_miss_and_one_line_says_so(photos, backbone, store, monkeypatch):
    said, runtime = [], fake(Counting())
    with_libraries(monkeypatch, Pillow="12.3.0", libwebp="1.6.0")
    assert extracted(photos[:4], backbone, runtime, store, say=said.append).pace.computed == 4
    assert said == []
    with_libraries(monkeypatch, Pillow="13.0.0", libwebp="1.6.0")
    assert extracted(photos, backbone, runtime, store, say=said.append).pace.computed == 6
    assert said == ["features of 4 photos were computed with Pillow 12.3.0; computing them again with Pillow 13.0.0"]
    assert extracted(photos, backbone, runtime, store, say=said.append).pace.computed == 0
    with_libraries(
        monkeypatch, Pillow="12.3.0", libwebp="1.6.0"
    )  # two installations take turns: nothing is computed twice
    assert extracted(photos[:4], backbone, runtime, store, say=said.append).pace.computed == 0
    assert len(said) == 1
    assert store.notes == []


def test_another_version_of_the_runtime_is_a_miss_too(photos, backbone, store):
    said = []
    for version in ("2.2", "2.3"):
        runtime = dataclasses.replace(fake(Counting()), made_with={"LiteRT": version})
        assert extracted(photos, backbone, runtime, store, say=said.append).pace.computed == 6
    assert said == ["features of 6 photos were computed with LiteRT 2.2; computing them again with LiteRT 2.3"]


def test_features_of_versions_before_the_last_are_dropped_and_that_is_said(photos, backbone, store, monkeypatch):
    for version in ("1", "2", "3"):
        with_libraries(monkeypatch, Pillow=version)
        extracted(photos, backbone, fake(Counting()), store)
    kept = {library_versions.of_key(key)["Pillow"]: len(digests) for key, (digests, _) in store.holds().items()}
    assert kept == {"2": 6, "3": 6}
    assert store.notes == [f"6 kept features that were computed with Pillow 1 were dropped ({store.path})"]


def test_features_of_a_version_that_noted_no_library_are_computed_anew_and_that_is_said(photos, backbone, store):
    said, runtime = [], fake(Counting())
    parts = json.loads(key_for(backbone, runtime, View()))
    old = json.dumps({name: value for name, value in parts.items() if name != library_versions.FIELD}, sort_keys=True)
    store.write(old, [(photo.sha256, np.array([9, 9, 9], np.float32)) for photo in photos])
    got = extracted(photos, backbone, runtime, store, say=said.append)
    assert got.pace.computed == 6
    assert not (got.features == 9).any()
    (line,) = said
    assert line.startswith("features of 6 photos were computed by an earlier version of this program")
    assert f"computing them again with Pillow {library_versions.decoders()['Pillow']}" in line


def test_distorted_views_also_depend_on_what_draws_them(backbone):
    plain, view = (library_versions.of_key(key_for(backbone, fake(Counting()), View(number))) for number in (0, 1))
    assert set(view) - set(plain) == {"NumPy"}
