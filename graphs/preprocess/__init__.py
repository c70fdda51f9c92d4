"""From a folder of raw frames to a graph: records, groups, links between them, and the graph that they make."""
