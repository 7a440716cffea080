"""Scenes of emoji of which the truth is known: any number, always the same ones."""
