"""Trained models at work: loading, batches, cards."""
