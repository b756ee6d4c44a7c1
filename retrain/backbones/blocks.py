"""Names of a network's layers in, their blocks out: what `--train last:N` counts.

A block is what its paper draws as one box, and the names of the layers tell which: `blocks_15_project_conv`, `block_16_add`,
`conv5_block3_out`, `Conv2d_13_pointwise`. Layers without such a name go with the block before them: so the last block
also has the convolution and the average behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from label_image.errors import UserError

_BLOCK = re.compile(
    r"""blocks_\d+            # EfficientNet-Lite, as we build it
    |conv\d+_block\d+         # ResNet, DenseNet
    |stage_\d+_block_\d+      # ConvNeXt
    |block_?\d+[a-z]*(?=_)    # EfficientNet, VGG, Xception, MobileNetV2, Inception-ResNet, our small ResNets
    |(?<=expanded_conv_)\d+   # MobileNetV3
    |(?i:conv2d|conv_dw|conv_pw)_\d+(?=_)  # MobileNet: a depthwise and a pointwise convolution
    |conv_(?:dw|pw)_\d+
    """,
    re.VERBOSE,
)


def blocks_of(names: Sequence[str]) -> list[list[int]]:
    """Places of the layers of each block, in order; the first is what stands before the first named block.

    >>> blocks_of(["stem", "blocks_0_a", "blocks_0_b", "add", "blocks_1_a", "head"])
    [[0], [1, 2, 3], [4, 5]]
    """
    blocks: list[list[int]] = [[]]
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        found = _BLOCK.search(name)
        key = re.sub(r"^(conv_dw|conv_pw)", "conv", found[0]) if found else ""
        if found and key not in seen:
            seen[key] = len(blocks)
            blocks.append([])
        blocks[seen[key] if found else -1].append(place)
    return [block for block in blocks if block]


def last_blocks(names: Sequence[str], train: str, what: str) -> set[int]:
    """Places of the layers that are trained.

    Args:
      names: of the layers, in order.
      train: "all" or "last:N".
      what: the network, for the error.

    Raises:
      UserError: it has no blocks, or fewer.
    """
    if train == "all":
        return set(range(len(names)))
    count = int(train.removeprefix("last:"))
    blocks = blocks_of(names)
    if len(blocks) < 3:
        raise UserError(f"--train={train}: {what} does not say which layers form a block; use --train=all")
    if count > len(blocks):
        raise UserError(f"--train={train}: {what} has {len(blocks)} blocks; give at most last:{len(blocks)}, or all")
    return {place for block in blocks[-count:] for place in block}
