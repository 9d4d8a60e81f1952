"""What was read of steps, made into causes and explanations: pure."""
