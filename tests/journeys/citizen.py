"""citizen."""

from tests.journeys.world import World


def walk(world: World, *, whole: bool = True) -> None:
    """Later."""
