"""A file's bytes -> an upright RGB picture that fits the network's canvas."""
