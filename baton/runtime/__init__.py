"""What runs inside a worker pool: small loops around pure steps, one a file."""
