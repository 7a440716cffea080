"""DeepLab-v3+ in Keras 3, official checkpoints and all; usable without Beam."""
