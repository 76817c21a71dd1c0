"""Training and judging networks: data, synthetic fields, a classical teacher, the loop, the scores."""
