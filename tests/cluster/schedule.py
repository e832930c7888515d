"""One thing at a time: who goes on next is drawn, and time passes when all wait.

Each actor is a thread, so that it can wait in the middle of a commit; but it runs only
while it holds the turn, which the schedule gives to one after the other. Nothing here
reads a clock or the machine's chance, so that a seed gives the same history again.
"""

import random
import threading
from collections.abc import Callable
from typing import Final

STEPS_MAX: Final = 20_000
"""Turns of a history: one that is longer hangs."""


class Killed(BaseException):
    """The actor's process is gone."""


class StuckError(AssertionError):
    """A history does not come to its end."""


class Actor:
    """What runs in turns. Its function is called once."""

    def __init__(self, schedule: "Schedule", run: Callable[[], None]) -> None:
        self.schedule = schedule
        self.run = run
        self.wake = schedule.time
        """When it goes on."""
        self.is_killed = False
        self.is_over = False
        self.failure: BaseException | None = None
        self._turn = threading.Lock()
        self._turn.acquire()
        self._thread = threading.Thread(target=self._whole, daemon=True)
        self._thread.start()

    def _whole(self) -> None:
        self._turn.acquire()
        try:
            if not self.is_killed:
                self.run()
        except Killed:
            pass
        except BaseException as failure:  # noqa: BLE001
            self.failure = failure
        self.is_over = True
        self.schedule.given_back.release()

    def pause(self, seconds: float = 0.0) -> None:
        """Called by itself: let others go on. Raises Killed if it is."""
        if self.is_killed:
            raise Killed
        self.wake = self.schedule.time + seconds
        self.schedule.given_back.release()
        self._turn.acquire()
        if self.is_killed:
            raise Killed

    def go_on(self) -> None:
        """Called by the schedule: give it the turn until it pauses or ends."""
        self._turn.release()
        self.schedule.given_back.acquire()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def kill(self) -> None:
        """Called by the schedule: it ends where it is."""
        if not self.is_over:
            self.is_killed = True
            self.go_on()
        self._thread.join()


class Schedule:
    """All actors, and the time that they have."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.time = 0.0
        self.actors: list[Actor] = []
        self.turns = 0
        self.given_back = threading.Lock()
        self.given_back.acquire()

    def add(self, run: Callable[[], None]) -> Actor:
        """One more."""
        actor = Actor(self, run)
        self.actors.append(actor)
        return actor

    def remove(self, actor: Actor) -> None:
        """It ends, wherever it is."""
        self.actors.remove(actor)
        actor.kill()

    def turn(self) -> None:
        """One of those that need not wait goes on; if all wait, time passes first."""
        self.turns += 1
        if self.turns > STEPS_MAX:
            raise StuckError(f"it has not ended at {self.time:.3f} s")
        ready = [each for each in self.actors if each.wake <= self.time]
        if not ready:
            self.time = min(each.wake for each in self.actors)
            ready = [each for each in self.actors if each.wake <= self.time]
        actor = ready[self.chance.randrange(len(ready))]
        actor.go_on()
        if actor.is_over:
            self.actors.remove(actor)

    def end(self) -> None:
        """All of them end."""
        for actor in list(self.actors):
            self.remove(actor)
