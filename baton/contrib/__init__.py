"""Adapters to what an application is made of. Each module imports its framework.

    baton.contrib.fastapi    baton_lifespan, EngineDep, event_stream
    baton.contrib.aiohttp    baton_context, ENGINE, engine_of, event_stream, end_streams
    baton.contrib.events     what both stream, for any other framework
    baton.contrib.django     renews connections around workers; used by worker pools once Django is set up

SQLAlchemy sessions and psycopg connections need no adapter: pass them to `insert(using=...)`.
"""
