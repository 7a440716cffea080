"""Training: pictures with truth in, a network that ``--model`` takes out; Keras on TensorFlow."""
