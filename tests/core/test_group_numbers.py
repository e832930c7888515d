"""Goal: however many groups a ledger has decided, readers see what the last one did.

Method: a ledger is told that it has decided almost 2^32 groups, as a busy one has after
some weeks, and goes on beyond that with accounts that no group of its has touched.
"""

from switch._core import test_number_groups as number_groups
from tests.core.network import NOW, Network, top_up
from tests.core.pair import Pair
from tests.model import Rows

ALMOST = (1 << 32) - 5
GROUPS = 12


def test_numbers_of_groups_do_not_come_again(pair: Pair, network: Network) -> None:
    pair.commit([Rows([top_up(network, network.wallets[0], 7, b"BEFORE")])], NOW)
    number_groups(pair.ledger, ALMOST)
    for number in range(GROUPS):
        wallet = network.wallets[number % len(network.wallets)]
        pair.commit([Rows([top_up(network, wallet, 7, b"UTR-%d" % number)])], NOW)
        pair.compare_accounts()
