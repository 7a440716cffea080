"""A run's life: planning, shards, attempts, writing, resuming and the commit."""
