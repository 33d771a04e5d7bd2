"""The workers of a server of several processes: another process keeps them, and says how they are."""

from __future__ import annotations

from service.jobs.worker.supervisor import Workers
from service.processes.channel import Channel, ChannelClosed


class WorkersElsewhere:
    """What a `WorkerSupervisor` is to its users, in a process that keeps no workers itself."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def start(self) -> None:
        """Do nothing: the supervisor of the processes has started them."""

    async def close(self) -> None:
        """Do nothing: they outlive this process."""

    async def workers(self) -> Workers:
        """How the workers are now."""
        try:
            return Workers(**await self._channel.ask("workers"))
        except ChannelClosed as error:
            return Workers(expected=1, alive=0, failing=0, reason=f"the supervisor: {error}")
