"""The commands, a file each: `configure(parser)` adds its arguments, and `run(arguments)` runs it.

`run` may be a coroutine function. It returns the exit code, None for 0.
"""
