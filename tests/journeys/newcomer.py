"""The newcomer: from a built tree to a first payment, by README and examples."""

from tests.journeys.pages import EXAMPLES, README, own_files
from tests.journeys.pages import walk as walk_page
from tests.journeys.world import DAY, World


def walk(world: World, *, whole: bool = True) -> None:
    """Begin the ledger; then type what the two pages say."""
    own_files(world)
    seconds = world.begin()
    world.note(f"{DAY}: it serves", seconds, is_right=True)
    if whole:
        walk_page(world, README)
        walk_page(world, EXAMPLES)
