"""Many hosts that share one store: what is done to them, what they did, and whether it may be."""
