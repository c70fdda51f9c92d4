"""What is doubtful about a graph, told before anything runs: where, why, and what would help."""
