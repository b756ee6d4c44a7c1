"""Checks, before any photo is read, everything that can be known to fail."""

from __future__ import annotations

from pathlib import Path

from label_image.errors import UserError
from label_image.extras import install
from label_image.quiet import check_tensorflow, has_tensorflow
from retrain.backbones.prepare import check_installed
from retrain.backbones.table import Architecture
from retrain.head import lbfgs
from retrain.head.snapshots import read_snapshot
from retrain.options.for_network import check_network
from retrain.options.options import Options
from retrain.pipeline.outputs import check_outputs


def check(options: Options) -> Architecture:
    """Checks the options against the network, what is installed, and the places that the run writes to.

    Returns:
      the table row of the network.

    Raises:
      UserError: an unknown name, a file that cannot be placed, or a missing SciPy or snapshot.
      RunError: TensorFlow, which the network or the device needs, is not installed.
    """
    row = check_network(options)
    if options.finetune.tunes and not has_tensorflow():
        raise UserError(
            f"--train={options.finetune.train} needs TensorFlow, which is not installed; {install('tensorflow')}, or use --train=head"
        )
    if options.finetune.weights != "none":
        check_installed(options.network, row)
    if options.network.device == "gpu":
        check_tensorflow("--device=gpu", "use --device=cpu")
    check_outputs(options)
    if options.head.optimizer == "lbfgs":
        lbfgs.check_installed()
    if options.head.resume:
        read_snapshot(Path(options.head.resume))
    return row
