# Wallets that are low: what is available is less than what was set for them.
#
# Asked behind all else that a row does to an account, so that (account, low_since) is one
# crossing: it stays while the wallet is low, and there is another one after it was not.

cdef inline bint _low_is(const Account* account) noexcept nogil:
    """Whether less is available than is wanted; never where nothing is."""
    cdef uint64_t spent = account.debits_posted + account.debits_pending
    if account.credits_posted <= spent:
        return True
    return account.credits_posted - spent < account.low_balance


cdef inline void low_change(Account* account, uint64_t sequence) noexcept nogil:
    """An accepted row has changed an account. Most want nothing, and cost one look."""
    account.changed = sequence
    native_assert(
        account.low_balance != 0 or account.low_since == 0, b"low_change: it is never low"
    )
    if account.low_balance == 0:
        return
    if not _low_is(account):
        account.low_since = 0
    elif account.low_since == 0:
        account.low_since = sequence


cdef inline void low_limit(Account* account, uint64_t low_balance) noexcept nogil:
    """A limit row says from where on an account is low, 0 for never."""
    account.low_balance = low_balance
    if low_balance == 0:
        account.low_since = 0
