"""What rows look like on disk: schemas, and a shard's rows as a file."""
