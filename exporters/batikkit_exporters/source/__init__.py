"""What is exported, wherever it was trained."""
