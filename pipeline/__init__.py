"""The program ``beam-deeplab``: options, wiring, launch and summary."""
