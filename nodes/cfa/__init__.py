"""Colour filter mosaics: their colours, and the planes they are made of."""
