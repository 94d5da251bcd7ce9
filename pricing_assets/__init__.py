"""Turns scans of books into prices and into training sets that can be rebuilt."""

from pricing_assets.loading import load_training_set

__all__ = ["load_training_set"]
