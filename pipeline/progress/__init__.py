"""How far a run or a training is, counted and shown."""
