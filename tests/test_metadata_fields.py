"""Impossible values in metadata are refused with one line that names the field and the value, unless the user typed another value."""

from __future__ import annotations

import json

import pytest

from label_image.errors import RunError, UserError
from label_image.find_metadata import metadata_of
from label_image.model_metadata import METADATA_KEY, Metadata, from_json, to_json
from label_image.overrides import Overrides
from retrain.formats.tflite_model import TfliteModel
from tests.test_detectors_tflite import ZERO_ONE, colour_tflite, make_metadata

GOOD = json.loads(to_json(Metadata(("cyan", "magenta", "yellow"), 16, 16, (127.5,), (127.5,))))
MISSING = object()

# field, its impossible value -> what the message says of it
IMPOSSIBLE = [
    ("std", [0], "its std is [0]; it must be a list of one finite number above 0, or one for each channel"),
    ("std", [127.5, 0, 127.5], "its std is [127.5, 0, 127.5]"),
    ("std", [-127.5], "its std is [-127.5]"),
    ("std", [float("inf")], "its std is [Infinity]"),
    ("std", 127.5, "its std is 127.5"),
    ("std", [], "its std is []"),
    ("std", [1, 2], "its std is [1, 2]"),
    ("std", [1, 2, 3, 4], "its std is [1, 2, 3, 4]"),
    ("std", ["1"], 'its std is ["1"]'),
    ("std", [True], "its std is [true]"),
    ("std", "127", 'its std is "127"'),
    ("std", MISSING, "its std is missing"),
    ("mean", [float("nan")], "its mean is [NaN]; it must be a list of one finite number, or one for each channel"),
    ("mean", [1, 2], "its mean is [1, 2]"),
    ("mean", None, "its mean is null"),
    ("height_px", 0, "its height_px is 0; it must be a whole number of pixels from 1 to 100,000"),
    ("height_px", -16, "its height_px is -16"),
    ("height_px", 16.5, "its height_px is 16.5"),
    ("width_px", "16", 'its width_px is "16"'),
    ("width_px", True, "its width_px is true"),
    ("width_px", 10**9, "its width_px is 1000000000"),
    ("crop_px", -1, "its crop_px is -1"),
    ("layout", "HWCN", 'its layout is "HWCN"; it must be one of NHWC, NCHW, NHW, flat'),
    ("layout", ["NHWC"], 'its layout is ["NHWC"]'),
    ("order", "GBR", 'its order is "GBR"; it must be one of RGB, BGR, grey'),
    ("dtype", "complex64", 'its dtype is "complex64"'),
    ("output", "unset", 'its output is "unset"'),
    ("outputs", -3, "its outputs is -3"),
    ("outputs", 2.5, "its outputs is 2.5"),
    ("labels", "daisy", 'its labels is "daisy"; it must be a list of different names, none of them empty'),
    ("labels", ["a", "a", "b"], 'its labels is ["a", "a", "b"]'),
    ("labels", ["a", "", "b"], 'its labels is ["a", "", "b"]'),
    ("labels", ["a", 7, "b"], 'its labels is ["a", 7, "b"]'),
    ("labels", {"a": 0}, 'its labels is {"a": 0}'),
    ("input_layer", 3, "its input_layer is 3; it must be text"),
    ("output_layer", None, "its output_layer is null"),
    ("training", ["photos"], 'its training is ["photos"]; it must be an object'),
    ("format", "1", "its format is not a whole number"),
    ("format", True, "its format is not a whole number"),
    ("format", MISSING, "its format is not a whole number"),
]


def document(**changes) -> str:
    fields = {**GOOD, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not MISSING})


@pytest.mark.parametrize(("field", "value", "said"), IMPOSSIBLE)
def test_an_impossible_field_is_one_line_that_names_the_file_the_field_and_the_value(field, value, said):
    with pytest.raises(RunError) as caught:
        from_json(document(**{field: value}), "folder/m.tflite")
    line = str(caught.value)
    assert line.startswith(f"cannot read the metadata in folder/m.tflite: {said}")
    assert line.endswith("; export it again")
    assert "\n" not in line


def test_a_long_or_hostile_value_is_shortened_and_escaped():
    with pytest.raises(RunError) as caught:
        from_json(document(layout="\x1b[2J\n" * 100), "x")
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [1, 2, 3]},
        {"std": [1, 2, 3]},
        {"order": "grey"},
        {"labels": []},
        {"dtype": "string", "height_px": 0, "width_px": 0},
        {"unknown": {"a": 1}},
    ],
)
def test_unusual_but_possible_fields_are_read(changes):
    assert from_json(document(**changes), "x").facts["size"] == "the metadata inside the file"


def test_a_grey_input_takes_no_numbers_for_three_channels():
    with pytest.raises(RunError, match=r"its mean is \[1, 2, 3\]"):
        from_json(document(order="grey", mean=[1, 2, 3]), "x")


def with_metadata(path, text):
    model = TfliteModel(colour_tflite(path, **ZERO_ONE))
    model.metadata(METADATA_KEY, text.encode())
    path.write_bytes(model.to_bytes())
    return path


@pytest.mark.parametrize(
    ("changes", "typed", "wanted"),
    [
        ({"std": [0]}, {"input_std": 255.0}, {"mean": (127.5,), "std": (255.0,)}),
        ({"mean": [None]}, {"input_mean": 0.0}, {"mean": (0.0,), "std": (127.5,)}),
        ({"height_px": -1}, {"input_height": 16}, {"height_px": 16, "width_px": 16}),
        ({"order": "GBR"}, {"input_order": "bgr"}, {"order": "BGR"}),
    ],
)
def test_a_typed_value_replaces_an_impossible_one_and_this_is_reported(tmp_path, changes, typed, wanted):
    path = with_metadata(tmp_path / "m.tflite", document(**changes))
    with pytest.raises(RunError, match=f"its {next(iter(changes))} is"):
        metadata_of(path, Overrides())
    found = metadata_of(path, Overrides(**typed))
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert f"--{next(iter(typed))} replaces the impossible" in "; ".join(found.facts.values())


def test_typed_labels_replace_impossible_ones(tmp_path):
    path = with_metadata(tmp_path / "m.tflite", document(labels="daisy"))
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    assert metadata_of(path, Overrides(labels=str(tmp_path / "names.txt"))).labels == ("a", "b", "c")


def test_a_typed_value_does_not_hide_another_impossible_field(tmp_path):
    path = with_metadata(tmp_path / "m.tflite", document(std=[0], layout="X"))
    with pytest.raises(RunError, match="its layout is"):
        metadata_of(path, Overrides(input_std=255.0))


def test_a_typed_value_still_contradicts_a_possible_one(tmp_path):
    path = with_metadata(tmp_path / "m.tflite", document())
    with pytest.raises(UserError, match="contradict"):
        metadata_of(path, Overrides(input_std=255.0))


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ([127.5], [0.0], r"its std is \[0\], which must be above 0 and finite"),
        ([127.5], [-1.0], r"its std is \[-1\]"),
        ([float("nan")], [127.5], r"its mean is \[nan\], which must be finite"),
        ([1.0, 2.0], [127.5], r"its mean is \[1, 2\], which must have one number or three"),
    ],
)
def test_impossible_standard_metadata_of_other_tools_is_one_line(tmp_path, mean, std, said):
    model = TfliteModel(colour_tflite(tmp_path / "m.tflite"))
    model.metadata("TFLITE_METADATA", make_metadata(mean, std, "labels.txt"))
    path = tmp_path / "stated.tflite"
    path.write_bytes(model.to_bytes())
    with pytest.raises(RunError, match=rf"cannot use .*stated.tflite: {said}.*give --input_mean and --input_std"):
        metadata_of(path, Overrides())
    assert metadata_of(path, Overrides(input_mean=0.0, input_std=255.0)).std == (255.0,)


@pytest.mark.parametrize(
    ("value", "said"),
    [("[0, 0, 0]", r"its std is \[0\]"), ("one", 'NormalizeStd is "one", not a list'), (7, "NormalizeStd is 7")],
)
def test_impossible_properties_of_azure_are_one_line(tmp_path, value, said):
    path = colour_tflite(tmp_path / "model.tflite", **ZERO_ONE)
    (tmp_path / "metadata_properties.json").write_text(json.dumps({"CustomVision.Preprocess.NormalizeStd": value}))
    with pytest.raises(RunError, match=rf"cannot use .*metadata_properties.json: .*{said}"):
        metadata_of(path, Overrides())
    assert metadata_of(path, Overrides(input_mean=0.0, input_std=255.0)).std == (255.0,)


def test_labels_of_lobe_that_are_one_word_are_one_line_and_not_split_into_letters(tmp_path):
    path = colour_tflite(tmp_path / "saved_model.tflite", name="Image", **ZERO_ONE)
    (tmp_path / "signature.json").write_text('{"inputs": {}, "outputs": {}, "classes": {"Label": "abc"}}')
    with pytest.raises(RunError, match='signature.json: its classes.Label is "abc", not a list of names'):
        metadata_of(path, Overrides())
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    assert metadata_of(path, Overrides(labels=str(tmp_path / "names.txt"))).labels == ("a", "b", "c")
