"""A layered layout of one graph, its own code: libraries took seconds for a thousand nodes."""
