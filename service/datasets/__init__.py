"""Data sets: uploaded once, named by their content, mapped into memory by jobs.

    upload.py     a body on its way to the disk: counted, hashed, never held whole
    arrays.py     npy files: checked headers, exact sizes, native order
    archives.py   npz archives: every member a plain npy file of its own
    tables.py     CSV: every column a field
    unpacker.py   files taken apart in processes of their own, under a clock and a bound of memory
    folder.py     the folder of a finished set: tmp, fsync, rename, fsync
    store.py      the records, in the database

A set is a folder `sha256-…/` with one `.npy` file a field. It appears there whole or not at all.
"""
