"""Writes a SavedModel that includes the preprocessing, from the frozen graph of the classifier; needs TensorFlow.

Two signatures: `serving_default` takes `image`, float32 [n, height, width, 3] in 0..1 (TF-Hub's convention), and
`serving_bytes` takes `image_bytes`, strings [n] with whole JPEG, PNG, GIF or BMP files. Both give `prediction`, float32
[n, classes]. TensorFlow's operations ignore the EXIF orientation: a rotated photo is not turned upright.

Called as an object, as in `hub.load(folder)(images)`, it returns the features, the input of the layer: float32 [n, width]. Therefore the
same folder can be used as --tfhub_module of another classifier.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.exporters import graph as graph_exporter
from retrain.exporters.exporter import Exporter
from retrain.exporters.stated import restate, stated
from retrain.exporters.tensorflow_missing import tensorflow_missing
from retrain.types import Backbone, Head

HOLDS = ("saved_model.pb", "fingerprint.pb", "keras_metadata.pb", "variables", "assets", "assets.extra")


def write(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> None:
    """Writes the folder."""
    tf = tensorflow()
    path.mkdir(parents=True)
    frozen = path / "frozen.pb"
    graph_exporter.write(frozen, head, backbone, metadata)
    graph_def = tf.compat.v1.GraphDef.FromString(frozen.read_bytes())
    frozen.unlink()
    module = _module(tf, graph_def, metadata, backbone.features_layer)
    signatures = {"serving_default": module.on_images, "serving_bytes": module.on_bytes}
    with native_noise_hidden():
        tf.saved_model.save(module, str(path), signatures)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / f"{METADATA_KEY}.json").write_bytes(stated(_inside(metadata)))


def restate_in(path: Path, was: Metadata, now: Metadata) -> None:
    """Replaces the test results in the metadata of a folder."""
    restate(path / "assets.extra" / f"{METADATA_KEY}.json", _inside(was), _inside(now))


def _inside(metadata: Metadata) -> Metadata:
    """Returns the metadata of a model that includes the scaling."""
    return dataclasses.replace(metadata, mean=(0.0,), std=(255.0,), input_layer="image", output_layer="prediction")


def _whole(tf: Any, pixels: Any) -> Any:
    """Rounds pixels to whole levels; 0.5 is rounded up."""
    return tf.floor(tf.clip_by_value(pixels, 0.0, 255.0) + 0.5)


def _module(tf: Any, graph_def: Any, metadata: Metadata, features_layer: str) -> Any:
    """Makes a tf.Module whose functions run the frozen graph."""
    function = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
    network = function.prune(f"{metadata.input_layer}:0", f"{metadata.output_layer}:0")
    headless = function.prune(f"{metadata.input_layer}:0", f"{features_layer}:0")
    size = (metadata.height_px, metadata.width_px)
    mean, std = tf.constant(metadata.mean), tf.constant(metadata.std)

    def predict(pixels: Any) -> dict[str, Any]:  # float32 [n, height, width, 3], 0..255
        return {"prediction": tf.identity(network((pixels - mean) / std), name="prediction")}

    def decode(data: Any) -> Any:
        image = tf.cond(  # the exact DCT: the fast default of decode_image differs by up to 20 of 255 levels
            tf.io.is_jpeg(data),
            lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
        )
        # Like Pillow's bilinear filter: half-pixel centres, antialiased, first horizontally and then vertically, each time
        # rounded to whole levels.
        rows = tf.image.resize(tf.cast(image, tf.float32), (tf.shape(image)[0], metadata.width_px), antialias=True)
        resized = tf.image.resize(_whole(tf, rows), size, antialias=True)
        return tf.ensure_shape(_whole(tf, resized), (*size, 3))

    images = tf.TensorSpec([None, *size, 3], tf.float32, name="image")  # 0..1
    module = tf.Module()
    module.network = function
    module.__call__ = tf.function(lambda image: headless((image * 255.0 - mean) / std), input_signature=[images])
    module.on_images = tf.function(
        lambda image: predict(image * 255.0),
        input_signature=[images],
    )
    # The name that Keras gives to the main signature of an export: its TFSMLayer uses it by default, and TensorFlow's converter, which
    # cannot convert the decoding of files, then ignores serving_bytes.
    module.serve = module.on_images
    module.on_bytes = tf.function(
        lambda image_bytes: predict(tf.map_fn(decode, image_bytes, fn_output_signature=tf.float32)),
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")],
    )
    return module


EXPORTER = Exporter(write, missing=tensorflow_missing, holds=HOLDS, restate=restate_in)
