"""Graphs written for others: as Python programs."""
