"""What must outlive the process: one SQLite file in the data folder, behind plain functions.

`database`  the engine, its pragmas, and the thread in which statements run
`failures`  what a failed statement means: a full disk, something that passes, or neither
`checksums` of files and rows: recorded when they are written, verified when they are read
`tables`    every table, and the migrations from one schema version to the next
`graphs`    published graphs
`lru`       a bounded cache that forgets what was used longest ago

A response that acknowledges a write is sent after its commit (WAL, synchronous FULL). The statements are
SQLAlchemy Core without SQLite's dialect, so that another database needs only another URL.
"""
