"""Reading `.tflite` files without TensorFlow, proving them sound, and running them under whichever runtime is here."""
