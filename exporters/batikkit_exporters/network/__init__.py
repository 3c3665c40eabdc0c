"""A network as plain values, and what is known of each of its operators."""
