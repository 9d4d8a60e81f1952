"""Templates: workflows as JSON text that people can read, with holes for values."""
