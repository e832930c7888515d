"""The other documents: every block that has no mark, as typed."""

from tests.journeys.blocks import PAGES
from tests.journeys.pages import EXAMPLES, README
from tests.journeys.pages import walk as walk_page
from tests.journeys.world import World


def walk(world: World, *, whole: bool = True) -> None:
    """Type them, page by page; the newcomer has typed the first two."""
    # Which windows there are: their numbers stand in a document.
    world.run("payswitch windows")
    for page in PAGES:
        if whole and page not in (README, EXAMPLES):
            walk_page(world, page)
