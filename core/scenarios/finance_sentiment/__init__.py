"""Finance sentiment: what is turning bad, and why. Dated news scored by the workspace's models, charts and alerts."""
