"""From what a user names to shards of images, and to their bytes."""
