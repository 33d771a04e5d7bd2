"""What must outlive the process: one SQLite file in the data folder, behind plain functions of ours.

    database.py     the engine, its pragmas, and the thread in which statements run
    tables.py       every table, and the migrations from one schema version to the next
    graphs.py       published graphs

An answer that acknowledges a write is sent after its commit (WAL, synchronous FULL). The statements are
SQLAlchemy Core without SQLite's dialect, so that Postgres is a matter of the URL.
"""
