"""Graphs as documents: saved, loaded, checked, drawn. Holds no pixel."""
