"""Logits -> the label map at the original size, its PNG and its class areas, exactly."""
