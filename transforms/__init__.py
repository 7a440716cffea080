"""The Beam transforms, and beside each the pure function that it maps."""
