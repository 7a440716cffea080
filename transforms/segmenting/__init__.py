"""The network inside Beam, and the transforms that put every step together."""
