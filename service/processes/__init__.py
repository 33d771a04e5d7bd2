"""Child processes that compute and can be killed.

`launcher`     the server's hold on the fork server: orders out, reports in
`fork_server`  a process with NumPy and the engine loaded, which forks a child in milliseconds
`sandbox`      what a child may touch: folders; no network and no other process
`syscalls`     the filter of system calls for that
`limits`       the limits of a child, and the process it ends with
`stderr_pipe`  a process's standard error: passed on, its end kept to say why the process ended
`frames`       what travels between them: lengths, a small JSON head, and the bytes as they are
`channel`      questions and answers between two processes, both ways at once
`membership`   that this process is one of several of a server, and how it reaches the others

Nothing of a caller's is ever pickled: a child gets the bytes of a request and returns those of its response.
"""
