"""Faults put into copies of the engine on purpose: a campaign that does not notice them proves nothing."""
