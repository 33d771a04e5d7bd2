"""Child processes that compute and can be killed.

    pool.py          the server's side: starts, feeds, limits and replaces children
    launcher.py      the server's hold on the template
    template.py      a process with numpy and the engine loaded, which forks a child in milliseconds
    child.py         a child: takes calls, hands back replies
    confinement.py   what a child may have, and with whom it dies
    frames.py        what travels between them: lengths, a small JSON head, and the bytes as they are

Nothing of a caller's is ever pickled; a child gets the bytes of the request and returns those of the answer.
"""
