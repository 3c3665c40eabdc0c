"""The Keras networks: MobileNetV2 with its head, the plain CNN beside it, and a frozen graph of either."""
