"""Adapters to what an application is made of. Each module imports its framework, and nothing imports the module.

    baton.contrib.fastapi    baton_lifespan, EngineDep, event_stream
    baton.contrib.aiohttp    baton_context, ENGINE, engine_of, event_stream, end_streams
    baton.contrib.events     what both stream, for any other framework

Sessions of SQLAlchemy and connections of psycopg need no adapter: pass them to `insert(using=...)`.
"""
