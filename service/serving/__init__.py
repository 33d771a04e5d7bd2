"""From an app to a server: sockets, the processes that serve them, and the supervisor of several.

`listeners`  the port and the Unix socket, opened once and handed to every process
`server`     one app on these sockets, until a signal ends it gracefully
`process`    one of several processes: the same, and the channel to its supervisor
`places`     the process of one place: started, started again when it ends, asked and told
`group`      the supervisor: places, readiness, sums of metrics, graceful restart
"""
