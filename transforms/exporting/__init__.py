"""The masks of a committed run as the files of other tools: one module a format."""
