"""Graphs made of what other programs save: Siril scripts and PixInsight process icons. Runs nothing of them."""
