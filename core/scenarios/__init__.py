"""Scenarios: whole products built from a workspace's models, for a stakeholder to play with."""
