"""The libraries that are compared, one file each; see `benchmarks.peers.protocol` for what such a file holds."""
