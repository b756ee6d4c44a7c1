"""Labels one photo as the original did: imports TensorFlow, reads the frozen graph, and runs it on one photo.

python -m benchmarks.baselines.label_with_tensorflow GRAPH LABELS INPUT OUTPUT SIZE MEAN STD PHOTO
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main() -> None:
    graph_file, label_file, input_layer, output_layer, size_px, mean, std, photo = sys.argv[1:]
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(Path(graph_file).read_bytes()), name="")
        pixels = tf.cast(tf.io.decode_jpeg(Path(photo).read_bytes(), channels=3), tf.float32)[None]
        resized = tf.compat.v1.image.resize_bilinear(pixels, (int(size_px), int(size_px)))
        scaled = (resized - float(mean)) / float(std)
        with tf.compat.v1.Session() as session:
            scores = np.squeeze(session.run(f"{output_layer}:0", {f"{input_layer}:0": session.run(scaled)}))
    labels = Path(label_file).read_text("utf-8").splitlines()
    for place in np.argsort(-scores)[:5]:
        print(f"{labels[place]} {scores[place]:.4f}")


if __name__ == "__main__":
    main()
