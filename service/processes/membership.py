"""That this process is one of several that serve the same sockets, and how it reaches the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.processes.channel import Channel


@dataclass(frozen=True, slots=True)
class Membership:
    """The channel to the supervisor, the place of this process among `count`, and where they meet.

    `meeting` is a path; Unix sockets between the processes are beside it.
    """

    channel: Channel
    index: int
    count: int
    meeting: Path

    def owner(self, gpu: int) -> int:
        """Which process holds the GPU with this number in the list of devices."""
        return gpu % self.count

    def gpu_socket(self, gpu: int) -> Path:
        """Where the owner of a GPU takes the queries of the others."""
        return self.meeting.with_name(f"{self.meeting.name}.gpu{gpu}")
