"""The pure half of Baton: graphs, jobs, JSON and outcomes, without any input or output."""
