"""Recommendation: which items a person sees next, from their texts and from behaviour."""
