"""From a trained Keras model to `.tflite` files, each with a manifest that says what was proven of it."""
