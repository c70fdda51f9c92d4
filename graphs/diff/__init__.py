"""What changed between two graphs: nodes are paired, each change is named, and what follows from it."""
