"""What a trained model is worth: predictions judged with intervals, compared pair by pair, written and drawn."""
