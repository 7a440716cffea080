"""Masks held against ground truth: pairs, confusion matrices, and what is computed from them."""
