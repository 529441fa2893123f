"""Labeling: who labels what next, and what a model would say."""
