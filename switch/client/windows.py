"""Settlement windows: when they close by themselves, and which are closed.

A part of the client library; `switch.client.Client` has these methods. May use `calls`
and the messages.
"""

from collections.abc import Iterator

from switch.client.calls import Caller
from switch.errors import WireError
from switch.v1 import admin_pb2_grpc
from switch.v1 import schedules_pb2 as pb

PAGE_SIZE = 100
"""Windows asked for at a time; each costs its lines."""


class WindowCalls:
    """The calls of AdminService about windows, as methods that are safe to repeat."""

    _caller: Caller
    _admin: admin_pb2_grpc.AdminServiceStub

    def windows(self) -> Iterator[pb.Window]:
        """The windows that are closed, newest first, to the first one.

        Each names the one before. Raises WireError where one is left out.
        """
        request = pb.ListWindowsRequest(page_size=PAGE_SIZE)
        before: int | None = None
        while True:
            reply = self._caller.read(self._admin.ListWindows, request)
            for window in reply.windows:
                if before is not None and window.sequence != before:
                    raise WireError(f"the list of windows leaves out window {before}")
                before = window.after_sequence
                yield window
            if not reply.next_page_token:
                break
            request.page_token = reply.next_page_token
        if before:
            raise WireError(f"the list of windows ends before window {before}")

    def schedule(self, cutoffs: int = 0) -> pb.GetScheduleResponse:
        """When windows close by themselves, and so many of the next times."""
        request = pb.GetScheduleRequest(cutoffs_count=cutoffs)
        return self._caller.read(self._admin.GetSchedule, request)
