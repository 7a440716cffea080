"""What beam-deeplab costs in time and memory, beside its peers on the same work.

Each module is one benchmark and runs alone, ``python -m benchmarks.engine``; ``python -m
benchmarks`` runs all, and with ``--bars`` only what the ratios at the top of ``results.json``
need. Inputs are made in a temporary folder from the PASCAL VOC photos under ``DEEPLAB_SHARED``.

Every contestant lives in a child process of its own that does nothing else and keeps its state
between repeats. Contestants take turns, so that what else the machine does hits all of them, and
the median of the repeats counts.
"""
