"""From `.tflite` files to a measured report. Runs on the device; never imports TensorFlow by itself."""
