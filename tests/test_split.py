"""Three lists that can be trusted: stable, by class, copies together, none empty; and the original's where they are asked for."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_image.errors import UserError
from retrain.data.split import SET_NAMES, Percentages, grouped_percents, list_of, percent
from retrain.options.options import Options
from retrain.pipeline.settings import divided, scanned
from retrain.store.feature_store import Store
from retrain.types import LISTS, TESTING, TRAINING, VALIDATION, Photo, Scan, Split
from tests.conftest import write_photo

PLAN = Options.of(image_dir="photos")
SMALL = settings(max_examples=50, deadline=None)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def photo(label: str, name: str, content: str = "", folder: str = "photos", given: int | None = None) -> Photo:
    """A photo whose bytes are its own unless `content` says whose."""
    return Photo(f"{folder}/{label}/{name}", label, sha(content or f"{folder}/{label}/{name}"), given)


def deal(photos: list[Photo], **flags: object) -> Split:
    return divided(PLAN.replaced(**flags), Scan(tuple(photos)))


def lists_of(split: Split) -> dict[str, int]:
    return {photo.path: int(which) for photo, which in zip(split.photos, split.lists, strict=True)}


def fallen(label: str, low: float, high: float, count: int) -> list[Photo]:
    """Photos whose names fall between two places on the line from 0 to 100."""
    found: list[Photo] = []
    number = 0
    while len(found) < count:
        one = photo(label, f"{number}.jpg")
        if low <= percent(f"{label}/{number}.jpg") < high:
            found.append(one)
        number += 1
    return found


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..") and "_nohash_" not in name
)


@st.composite
def many_photos(draw: st.DrawFn, least: int = 3, most: int = 20) -> list[Photo]:
    """Some classes with `least` or more different photos, copies within a class, and names with the group mark."""
    photos = []
    for label in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)):
        names = draw(st.lists(NAMES, min_size=least, max_size=most, unique=True))
        photos += [photo(label, name) for name in names]
        if len(names) > 5:
            photos += [
                photo(label, f"{names[0]} copy {n}", f"photos/{label}/{names[0]}")
                for n in range(draw(st.integers(0, 3)))
            ]
            photos += [photo(label, f"burst_nohash_{n}") for n in range(draw(st.integers(0, 3)))]
    return photos


# --- the original's rule


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("tf_files/flower_photos/daisy/21652746_cc379e0eea_m.jpg", 51.669209),
        ("flower_photos/daisy/3475870145_685a19116d.jpg", 20.644716),
        ("tf_files/flower_photos/roses/2414954629_3708a1a04d.jpg", 38.204824),
        ("a/leaf_nohash_1.jpg", 86.759893),
        ("a/leaf_nohash_2_nohash_3.jpg", 86.759893),
        ("a/leaf", 86.759893),
    ],
)
def test_a_path_falls_where_the_original_put_it(path, place):
    assert percent(path) == pytest.approx(place, abs=5e-7)


@pytest.mark.parametrize(
    ("place", "which"),
    [(0, VALIDATION), (9.999, VALIDATION), (10, TESTING), (29.999, TESTING), (30, TRAINING), (100, TRAINING)],
)
def test_validation_comes_first_then_testing_then_training(place, which):
    assert list_of(place, Percentages(validation=10, testing=20)) == which


def test_a_list_of_zero_percent_stays_empty():
    photos = [photo("a", f"{n}") for n in range(300)]
    split = deal(photos, validation_percentage=0, testing_percentage=0)
    assert split.counts().tolist() == [[300, 0, 0]]
    assert split.notes == ()


FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
# training, testing, validation; FLAGS.md 1.3. The fourth has no counts by class there: ours, of the same formula.
VECTORS = {
    "tf_files/flower_photos": [(515, 66, 52), (735, 78, 85), (521, 59, 61), (531, 91, 77), (647, 68, 84)],
    "flower_photos": [(497, 63, 73), (742, 78, 78), (500, 70, 71), (574, 60, 65), (649, 82, 68)],
    "/tf_files/flower_photos": [(515, 65, 53), (704, 86, 108), (503, 80, 58), (560, 68, 71), (612, 88, 99)],
    "./tf_files/flower_photos": [(512, 52, 69), (715, 88, 95), (527, 62, 52), (575, 59, 65), (654, 76, 69)],
}
TOTALS = {
    "tf_files/flower_photos": (2949, 362, 359),
    "flower_photos": (2962, 353, 355),
    "/tf_files/flower_photos": (2894, 387, 389),
    "./tf_files/flower_photos": (2983, 337, 350),
}


def flower_names(shared_data: Path) -> list[str]:
    """All 3,670 names: the licence lists the photographer of each."""
    text = (shared_data / "flower_photos" / "LICENSE.txt").read_text("utf-8")
    return sorted(set(re.findall(rf"^((?:{'|'.join(FLOWERS)})/\S+\.jpg)", text, re.MULTILINE)))


@pytest.mark.shared
@pytest.mark.parametrize("root", VECTORS)
def test_legacy_split_deals_the_flower_photos_as_the_original_did(shared_data, root):
    names = flower_names(shared_data)
    assert len(names) == 3670
    photos = [photo(label, name, folder=root) for label, name in (path.split("/") for path in names)]
    split = deal(photos, legacy_split=True)
    assert split.counts()[:, [TRAINING, TESTING, VALIDATION]].tolist() == [list(row) for row in VECTORS[root]]
    assert tuple(split.counts().sum(axis=0)[[TRAINING, TESTING, VALIDATION]]) == TOTALS[root]
    assert split.notes == ()


@pytest.mark.parametrize("typed", ["flowers", "./flowers", "flowers/"])
def test_legacy_split_hashes_the_folder_as_it_was_typed(tmp_path, monkeypatch, typed):
    for number in range(40):
        for label in ("a", "b"):
            write_photo(tmp_path / "flowers" / label / f"{number}.jpg", (9, 9, 9), 100 * number + ord(label), (8, 8))
    monkeypatch.chdir(tmp_path)
    options = Options.of(image_dir=typed, legacy_split=True)
    store = Store(tmp_path / "store")
    split = divided(options, scanned(options, store, lambda _: None))
    store.close()
    assert lists_of(split) == {
        path: list_of(percent(path), Percentages())
        for path in (f"{typed.rstrip('/')}/{label}/{number}.jpg" for label in ("a", "b") for number in range(40))
    }


def test_legacy_split_mends_nothing_and_says_what_is_empty():
    photos = [one for one in (photo("a", f"{n}.jpg") for n in range(40)) if percent(one.path) >= 20][:5]
    split = deal(photos, legacy_split=True)
    assert split.counts().tolist() == [[5, 0, 0]]
    assert split.notes == (
        "a: --legacy_split left no photo for validation",
        "a: --legacy_split left no photo for testing",
    )


# --- stable


@SMALL
@given(many_photos(), st.randoms(use_true_random=False))
def test_the_order_of_the_photos_changes_nothing(photos, rng):
    shuffled = list(photos)
    rng.shuffle(shuffled)
    expected = deal(photos)
    assert lists_of(deal(shuffled)) == lists_of(expected)
    assert deal(shuffled).notes == expected.notes


@SMALL
@given(st.sets(st.integers(0, 10**6), min_size=40, max_size=60), st.sets(st.integers(0, 10**6), max_size=60))
def test_photos_that_are_added_move_no_other(first, more):
    def photos(numbers):
        return [photo("a", f"{number}.jpg") for number in sorted(numbers)]

    before, after = deal(photos(first)), deal(photos(first | more))
    moved = [path for path, which in lists_of(before).items() if lists_of(after)[path] != which]
    assert len(moved) <= len(before.notes)  # a note for each photo that had to fill an empty subset


@SMALL
@given(many_photos(), st.sampled_from(["./photos", "/elsewhere/my photos", "ünïcödé"]))
def test_a_folder_that_moves_keeps_its_lists(photos, place):
    moved = [replace(one, path=f"{place}/{one.label}/{one.name}") for one in photos]
    assert deal(moved).lists.tolist() == deal(photos).lists.tolist()


def test_another_class_or_its_removal_moves_no_photo():
    a, b = [photo("a", f"{n}") for n in range(50)], [photo("b", f"{n}") for n in range(50)]
    alone, together = lists_of(deal(a)), lists_of(deal(a + b))
    assert alone.items() <= together.items()


def test_a_copy_of_a_photo_does_not_move_it():
    photos = [photo("a", f"rose {n}.jpg") for n in range(100)]
    copies = [photo("a", f"rose {n} (1).jpg", f"photos/a/rose {n}.jpg") for n in range(100)]
    assert lists_of(deal(photos)).items() <= lists_of(deal(photos + copies)).items()


def test_another_seed_deals_other_lists_and_seed_0_is_the_plain_name():
    photos = [photo("a", f"{n}") for n in range(200)]
    assert grouped_percents(photos, 0) == [percent(f"a/{n}") for n in range(200)]
    plain, first, again = deal(photos), deal(photos, split_seed=1), deal(photos, split_seed=1)
    assert (plain.lists != first.lists).any()
    assert (first.lists == again.lists).all()


def test_names_that_are_not_utf8_are_dealt_too():
    photos = [photo("a", (b"caf\xe9%d.jpg" % n).decode("utf-8", "surrogateescape"), str(n)) for n in range(9)]
    assert sum(deal(photos).counts()[0]) == 9


# --- together


@SMALL
@given(many_photos())
def test_photos_with_the_same_bytes_or_name_before_the_mark_are_in_one_list(photos):
    split = deal(photos)
    places: dict[str, set[int]] = {}
    for one, which in zip(split.photos, split.lists, strict=True):
        places.setdefault(one.sha256, set()).add(int(which))
        if "_nohash_" in one.name:
            places.setdefault(f"{one.label}/{one.name.split('_nohash_')[0]}", set()).add(int(which))
    assert {len(where) for where in places.values()} == {1}


def test_the_mark_and_the_bytes_bind_through_each_other():
    photos = [
        *(photo("a", f"{n}") for n in range(40)),
        photo("a", "x_nohash_1"), photo("a", "x_nohash_2", "same"),
        photo("a", "yy_nohash_1", "same"), photo("a", "yy_nohash_2"),
    ]  # fmt: skip
    for seed in range(20):
        assert len({int(which) for which in deal(photos, split_seed=seed).lists[40:]}) == 1


def test_the_mark_in_a_folders_name_binds_nothing():
    photos = [photo("my_nohash_class", f"{n}.jpg") for n in range(100)]
    assert (deal(photos).counts() > 0).all()


def test_the_mark_binds_within_a_class_only():
    photos = [photo(label, f"x_nohash_{n}") for label in "ab" for n in range(5)]
    photos += [photo(label, f"{n}") for label in "ab" for n in range(5)]
    seeds = [lists_of(deal(photos, split_seed=seed)) for seed in range(40)]
    assert any(lists["photos/a/x_nohash_0"] != lists["photos/b/x_nohash_0"] for lists in seeds)


def test_a_picture_under_two_labels_is_in_one_list_and_that_is_said():
    photos = [photo(label, f"{n}.jpg") for label in "ab" for n in range(99)]  # enough to need no mending
    photos += [photo("a", "x.jpg", "same"), photo("b", "a longer name.jpg", "same")]
    for seed in range(20):
        split = deal(photos, split_seed=seed)
        assert split.lists[-1] == split.lists[-2]
        assert split.notes == (
            "pictures with two labels: 1; photos/a/x.jpg and photos/b/a longer name.jpg have the same bytes",
        )


# --- shares


def test_the_shares_come_near_the_percentages():
    # 4 standard deviations of a share p of n photos: 4 * sqrt(p (1 - p) / n) = 1.2 % for p = 10 %, n = 10,000.
    photos = [photo("a", f"photo{n}.jpg") for n in range(10_000)]
    for validation, testing in ((10, 10), (25, 5), (1, 50)):
        counts = deal(photos, validation_percentage=validation, testing_percentage=testing).counts()[0]
        expected = {TRAINING: 100 - validation - testing, VALIDATION: validation, TESTING: testing}
        for which, share in expected.items():
            assert counts[which] / 100 == pytest.approx(share, abs=4 * np.sqrt(share * (100 - share) / 10_000))


@SMALL
@given(many_photos(), st.integers(1, 50), st.integers(1, 49), st.integers(0, 9))
def test_no_list_of_a_class_with_three_different_photos_is_empty(photos, validation, testing, seed):
    flags = {"validation_percentage": validation, "testing_percentage": testing, "split_seed": seed}
    assert (deal(photos, **flags).counts() > 0).all()


@SMALL
@given(many_photos(), many_photos(least=1, most=2), st.integers(1, 50), st.integers(1, 49), st.integers(0, 9))
def test_a_class_with_fewer_different_photos_is_refused(photos, few, validation, testing, seed):
    flags = {"validation_percentage": validation, "testing_percentage": testing, "split_seed": seed}
    few = [replace(one, label=f"few {one.label}") for one in few]
    with pytest.raises(UserError, match="cannot split 'few .*need 3"):
        deal(photos + few, **flags)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_three_photos_are_one_a_list_and_each_move_is_said(count):
    photos = fallen("a", 20, 100, count)
    split = deal(photos)
    assert sorted(split.counts()[0][1:]) == [1, 1]
    places = {one.path: percent(f"a/{one.name}") for one in photos}
    nearest = sorted(places, key=lambda path: places[path])
    assert lists_of(split)[nearest[0]] == VALIDATION  # validation takes the one nearest to it, then testing
    assert lists_of(split)[nearest[1]] == TESTING
    assert split.notes == tuple(
        f"a: the random split put no photo in the {SET_NAMES[which]}; moved {path.split('/')[-1]} there"
        for path, which in zip(nearest, (VALIDATION, TESTING), strict=False)
    )


def test_a_class_whose_photos_all_fall_to_the_test_gets_the_last_of_them_for_training():
    photos = fallen("a", 10, 20, 5)
    last = max(photos, key=lambda one: percent(f"a/{one.name}"))
    first = min(photos, key=lambda one: percent(f"a/{one.name}"))
    lists = lists_of(deal(photos))
    assert (lists[last.path], lists[first.path]) == (TRAINING, VALIDATION)
    assert Counter(lists.values())[TESTING] == 3


def test_a_mended_photo_takes_its_copies_with_it():
    photos = fallen("a", 20, 100, 3)
    copies = [photo("a", f"{one.name} copy", one.path) for one in photos]
    split = deal(photos + copies)
    assert (split.lists[:3] == split.lists[3:]).all()
    assert split.counts().tolist() == [[2, 2, 2]]
    assert "moved 1.jpg and 1 other of its group there" in split.notes[0]


def test_mending_one_class_takes_no_list_from_another():
    # Both classes hold the same two pictures and two of their own; whatever moves, moves in both.
    for seed in range(200):
        photos = [photo(label, f"{n}", f"same {n}") for label in "ab" for n in range(2)]
        photos += [photo(label, f"own {label} {n}") for label in "ab" for n in range(2)]
        split = deal(photos, split_seed=seed)
        assert (split.counts() > 0).all()
        by_digest = {}
        for one, which in zip(split.photos, split.lists, strict=True):
            assert by_digest.setdefault(one.sha256, which) == which


def test_a_class_is_mended_with_a_photo_of_its_own_rather_than_one_that_two_classes_share():
    own = fallen("a", 30, 100, 3)
    shared = next(one for one in fallen("a", 20, 30, 1))  # nearer to the border
    twin = photo("b", "a much longer name of the same picture.jpg", shared.path)
    b = [photo("b", f"{n}") for n in range(100)]
    assert lists_of(deal([*own, shared, twin, *b]))[twin.path] == TRAINING


def test_a_class_that_can_not_be_mended_because_its_photos_have_other_labels_is_refused():
    # The seven lines of the Fano plane: three pictures a class, each pair of classes shares one. No deal serves all.
    lines = ["012", "034", "056", "135", "146", "236", "245"]
    photos = [photo(f"c{k}", picture, picture) for k, line in enumerate(lines) for picture in line]
    with pytest.raises(UserError, match="its photos are also in other classes") as caught:
        deal(photos)
    assert caught.value.exit_status == 2


# --- too few


@pytest.mark.parametrize(("count", "found"), [(1, "found 1 photo,"), (2, "found 2 photos,")])
@pytest.mark.parametrize("flags", [{}, {"legacy_split": True}])
def test_one_or_two_photos_are_refused_with_the_number_that_is_needed(count, found, flags):
    photos = [photo("a", f"{n}") for n in range(50)] + [photo("b", f"{n}") for n in range(count)]
    with pytest.raises(UserError, match=f"cannot split 'b': {found} need 3 \\(one for each subset\\)") as caught:
        deal(photos, **flags)
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)


def test_copies_do_not_count_as_different_photos():
    photos = [photo("a", f"{n}", "same" if n else "other") for n in range(6)]
    with pytest.raises(UserError, match="found 6 photos, 2 of them different, need 3"):
        deal(photos)


@pytest.mark.parametrize(("flag", "other"), [("validation_percentage", TESTING), ("testing_percentage", VALIDATION)])
def test_two_photos_are_enough_for_two_lists(flag, other):
    split = deal([photo("a", "1"), photo("a", "2")], **{flag: 0})
    assert sorted(split.lists) == sorted([TRAINING, other])


def test_one_photo_is_enough_where_nothing_is_kept_back():
    assert deal([photo("a", "1")], validation_percentage=0, testing_percentage=0).lists.tolist() == [TRAINING]


# --- lists that folders name


def in_list(which: int, label: str, count: int, given: int | None = -1) -> list[Photo]:
    folder = f"photos/{LISTS[which]}"
    return [photo(label, f"{n}", folder=folder, given=which if given == -1 else given) for n in range(count)]


@pytest.mark.parametrize("flags", [{}, {"legacy_split": True}, {"split_seed": 3}])
def test_lists_that_folders_name_are_kept(flags):
    photos = [one for which in range(3) for label in "ab" for one in in_list(which, label, 2)]
    split = deal(photos, **flags)
    assert split.lists.tolist() == [one.given for one in photos]
    assert split.notes == ()


def test_a_list_with_a_folder_takes_no_others():
    photos = in_list(TRAINING, "a", 200, given=None) + in_list(TESTING, "a", 5)
    split = deal(photos)
    assert Counter(split.lists[:200].tolist()).keys() == {TRAINING, VALIDATION}
    assert set(split.lists[200:].tolist()) == {TESTING}


def test_a_class_without_a_photo_in_a_list_that_has_a_folder_is_the_users_affair():
    photos = in_list(TRAINING, "a", 30, given=None) + in_list(TRAINING, "b", 30, given=None) + in_list(TESTING, "a", 5)
    assert deal(photos).counts()[1, TESTING] == 0


def test_a_class_with_nothing_to_train_on_is_refused():
    photos = in_list(TRAINING, "a", 5) + in_list(TESTING, "a", 5) + in_list(TESTING, "b", 5)
    with pytest.raises(UserError, match="cannot train the class 'b': it has no photo for training"):
        deal(photos)


def test_one_photo_is_too_few_where_validation_is_dealt_from_training():
    photos = in_list(TRAINING, "a", 5, given=None) + in_list(TRAINING, "b", 1, given=None) + in_list(TESTING, "b", 5)
    with pytest.raises(UserError, match=r"cannot split 'b': found 1 photo, need 2"):
        deal(photos)


def test_a_test_photo_that_is_also_a_training_photo_is_kept_and_said():
    photos = [photo("a", f"{n}", f"{n}", "photos/train", TRAINING) for n in range(5)]
    photos += [photo("a", f"{n}", f"{n}", "photos/test", TESTING) for n in range(3, 9)]
    split = deal(photos)
    assert split.lists.tolist() == [TRAINING] * 5 + [TESTING] * 6
    assert split.notes == (
        "pictures in two subsets, which inflates the accuracy: 2; photos/test/a/3 and photos/train/a/3 have the same bytes",
    )


# --- size


@pytest.mark.parametrize(("classes", "each"), [(1, 20_000), (4_000, 5)])
def test_twenty_thousand_photos_are_dealt_in_a_moment(classes, each):
    photos = [photo(f"c{label:04d}", f"{number}") for label in range(classes) for number in range(each)]
    random.Random(0).shuffle(photos)
    start = time.process_time()
    assert (deal(photos).counts() > 0).all()
    assert time.process_time() - start < 5  # 0.5 s on an idle machine; labels times photos takes a minute
