"""Groups the layers of a network into blocks by their names, for `--train last:N`.

A block is what its paper draws as one box. The names of the layers show it: `blocks_15_project_conv`, `block_16_add`,
`conv5_block3_out`, `Conv2d_13_pointwise`. A layer without such a name belongs to the block before it, so the last block
also contains the final convolution and the average pooling.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from label_image.errors import UserError

_BLOCK = re.compile(
    r"""blocks_\d+            # EfficientNet-Lite in our form
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
    """Returns the indices of the layers of each block, in order; the layers before the first named block come first.

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
    """Returns the indices of the layers that are trained.

    Args:
      names: of the layers, in order.
      train: "all" or "last:N".
      what: the network, for the error.

    Raises:
      UserError: the network has no blocks, or fewer than N.
    """
    if train == "all":
        return set(range(len(names)))
    count = int(train.removeprefix("last:"))
    blocks = blocks_of(names)
    if len(blocks) < 3:
        raise UserError(f"--train={train}: {what} has no layer names that show its blocks; use --train=all")
    if count > len(blocks):
        raise UserError(f"--train={train}: {what} has {len(blocks)} blocks; give at most last:{len(blocks)}, or all")
    return {place for block in blocks[-count:] for place in block}
