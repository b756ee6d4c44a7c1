"""Lists the graphs without a head that TensorFlow verified in this program's own tests, by the SHA-256 of their files.

Importing TensorFlow and running the test photos takes longer than all the rest of a first run. The default network's
graph is made from a package's weights by our own code, so it comes out the same, byte for byte, wherever it is made; where
a single bit differs, TensorFlow runs it there. tests/test_proven.py runs each of these again, with today's TensorFlow.
"""

from __future__ import annotations

# SHA-256 of the file -> the largest difference of a score, TensorFlow's from ours.
VERIFIED = {
    "f797a688990da4425758715e67a95540a62a6901da05d7964691ccacabb6afd4": 2.7e-06,  # efficientnet_lite0, of its package 0.1.0
}
