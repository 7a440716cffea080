"""What Dataflow's template launcher runs: ``beam-deeplab segment`` with its parameters."""

from __future__ import annotations

import os
import sys

from beam_deeplab.pipeline.cli import console


def arguments(parameters: list[str], image: str | None) -> list[str]:
    """The program's arguments.

    Args:
        parameters: What the launcher gives, each as ``--name=value``.
        image: Of this container, for the workers too; None if nobody has said it.
    """
    defaults = ["--runner=DataflowRunner"]
    if image:
        defaults.append(f"--sdk_container_image={image}")
    return ["segment", *defaults, *parameters]


if __name__ == "__main__":
    sys.exit(console(arguments(sys.argv[1:], os.environ.get("BEAM_DEEPLAB_IMAGE"))))
