"""Lists headless graphs, by the SHA-256 of the file, that TensorFlow has verified in this program's own tests.

Importing TensorFlow and running the test photos takes longer than the rest of a first run. The graph of the default network is made
by our own code from the weights in a package, so it is the same, byte for byte, on every computer. If a single bit differs, TensorFlow
verifies it there. tests/test_proven.py runs each of these again, with today's TensorFlow.
"""

from __future__ import annotations

# SHA-256 of the file -> the largest difference between a score of TensorFlow and ours.
VERIFIED = {
    "f797a688990da4425758715e67a95540a62a6901da05d7964691ccacabb6afd4": 2.7e-06,  # efficientnet_lite0, of its package 0.1.0
}
