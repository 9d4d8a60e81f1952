"""A research assistant: a plan, a loop with a tool, an approval by a person, three models that answer, one report.

    python -m examples.research.assistant

It needs no network and no key: `model_server.py` stands for OpenAI and Anthropic on this machine. It speaks their wire
formats, so the clients are the real SDKs, and it refuses, fails and dawdles as the real services do.
"""
