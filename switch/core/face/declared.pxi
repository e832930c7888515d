# What is declared once, for Python: dtypes of the structs, bounds, and return codes as
# exceptions. Part of _core.pyx.

Rows = npt.NDArray[np.void]


cdef _dtype(view):
    return np.asarray(view).dtype

cdef Row _row
cdef Account _account
cdef Outcome _outcome
cdef ParticipantRecord _participant_record
cdef ServiceRecord _service_record
cdef AccountRecord _account_record
cdef LimitRecord _limit_record
cdef WindowLine _window_line
cdef ShiftRecord _shift_record
cdef RulesRecord _rules_record
cdef RevocationRecord _revocation_record
cdef ConfirmationRecord _confirmation_record
cdef PinsRecord _pins_record
cdef BudgetRecord _budget_record
cdef PersonRecord _person_record
cdef ThresholdsRecord _thresholds_record
cdef BankAccountRecord _bank_account_record
cdef StatementRecord _statement_record
cdef ScheduleRecord _schedule_record
cdef OperatorRecord _operator_record
cdef BillsRecord _bills_record
cdef ProposedLine _proposed_line
cdef Answer _answer
cdef Quotation _quotation
cdef Hold _hold
cdef TariffItem _tariff_item
cdef BillTail _bill_tail
cdef ItemLine _item_line

ROW = _dtype(<Row[:1]>&_row)
ACCOUNT = _dtype(<Account[:1]>&_account)
OUTCOME = _dtype(<Outcome[:1]>&_outcome)
PARTICIPANT_RECORD = _dtype(<ParticipantRecord[:1]>&_participant_record)
SERVICE_RECORD = _dtype(<ServiceRecord[:1]>&_service_record)
ACCOUNT_RECORD = _dtype(<AccountRecord[:1]>&_account_record)
LIMIT_RECORD = _dtype(<LimitRecord[:1]>&_limit_record)
WINDOW_LINE = _dtype(<WindowLine[:1]>&_window_line)
SHIFT_RECORD = _dtype(<ShiftRecord[:1]>&_shift_record)
RULES_RECORD = _dtype(<RulesRecord[:1]>&_rules_record)
REVOCATION_RECORD = _dtype(<RevocationRecord[:1]>&_revocation_record)
CONFIRMATION_RECORD = _dtype(<ConfirmationRecord[:1]>&_confirmation_record)
PINS_RECORD = _dtype(<PinsRecord[:1]>&_pins_record)
BUDGET_RECORD = _dtype(<BudgetRecord[:1]>&_budget_record)
PERSON_RECORD = _dtype(<PersonRecord[:1]>&_person_record)
THRESHOLDS_RECORD = _dtype(<ThresholdsRecord[:1]>&_thresholds_record)
BANK_ACCOUNT_RECORD = _dtype(<BankAccountRecord[:1]>&_bank_account_record)
STATEMENT_RECORD = _dtype(<StatementRecord[:1]>&_statement_record)
SCHEDULE_RECORD = _dtype(<ScheduleRecord[:1]>&_schedule_record)
OPERATOR_RECORD = _dtype(<OperatorRecord[:1]>&_operator_record)
BILLS_RECORD = _dtype(<BillsRecord[:1]>&_bills_record)
PROPOSED_LINE = _dtype(<ProposedLine[:1]>&_proposed_line)
ANSWER = _dtype(<Answer[:1]>&_answer)
_HOLD = _dtype(<Hold[:1]>&_hold)
QUOTATION = _dtype(<Quotation[:1]>&_quotation)
TARIFF_ITEM = _dtype(<TariffItem[:1]>&_tariff_item)
BILL_TAIL = _dtype(<BillTail[:1]>&_bill_tail)
ITEM_LINE = _dtype(<ItemLine[:1]>&_item_line)
# Cython has no view of structs in structs.
TARIFF_TAIL = np.dtype([
    ("items", ITEM_LINE, ITEMS_MAX), ("reserved", "u1", 6), ("items_count", "u1"),
    ("form", "u1"),
])


cdef _check_layout():
    """Refuse to load if a struct is not what is written on disks."""
    sizes = {
        "Row": (sizeof(Row), 128), "Chunk": (sizeof(Chunk), 64),
        "TailItem": (sizeof(TailItem), 8), "AccountRecord": (sizeof(AccountRecord), 32),
        "LimitRecord": (sizeof(LimitRecord), 32),
        "ParticipantRecord": (sizeof(ParticipantRecord), 64),
        "ServiceRecord": (sizeof(ServiceRecord), 256),
        "ShiftRecord": (sizeof(ShiftRecord), 64), "RulesRecord": (sizeof(RulesRecord), 8),
        "RevocationRecord": (sizeof(RevocationRecord), 64),
        "ConfirmationRecord": (sizeof(ConfirmationRecord), 8),
        "PinsRecord": (sizeof(PinsRecord), 72), "BudgetRecord": (sizeof(BudgetRecord), 16),
        "PersonRecord": (sizeof(PersonRecord), 48),
        "ThresholdsRecord": (sizeof(ThresholdsRecord), 32),
        "BankAccountRecord": (sizeof(BankAccountRecord), 56),
        "StatementRecord": (sizeof(StatementRecord), 48),
        "BeneficiaryRecord": (sizeof(BeneficiaryRecord), 64),
        "ScheduleRecord": (sizeof(ScheduleRecord), 24),
        "OperatorRecord": (sizeof(OperatorRecord), 48),
        "MarginRecord": (sizeof(MarginRecord), 16), "BillerMargin": (sizeof(BillerMargin), 40),
        "BillsRecord": (sizeof(BillsRecord), 64),
        "ProposedLine": (sizeof(ProposedLine), 64),
        "Answer": (sizeof(Answer), 120), "Quotation": (sizeof(Quotation), 144),
        "TariffItem": (sizeof(TariffItem), 24), "ItemLine": (sizeof(ItemLine), 12),
        "BillTail": (sizeof(BillTail), 56), "TariffTail": (sizeof(TariffTail), 56),
        "WindowLine": (sizeof(WindowLine), 40), "Account": (sizeof(Account), 184),
        "Segment": (sizeof(Segment), 32), "Entry": (sizeof(Entry), 16),
        "PostingsHead": (sizeof(PostingsHead), 40),
        "PostingsAccount": (sizeof(PostingsAccount), 80),
        "Outcome": (sizeof(Outcome), 80), "IndexMeta": (sizeof(IndexMeta), 400),
        "RunRecord": (sizeof(RunRecord), 56), "MergeRecord": (sizeof(MergeRecord), 88),
        "Retired": (sizeof(Retired), 24), "PieceRecord": (sizeof(PieceRecord), 8),
        "HoldsHead": (sizeof(HoldsHead), 24), "Hold": (sizeof(Hold), 16),
        "JournalMeta": (sizeof(JournalMeta), 32),
    }
    wrong = [name for name, (size, wanted) in sizes.items() if size != wanted]
    if wrong:
        raise ImportError(f"compiled with another layout: {', '.join(wrong)}")


cdef _check_signatures():
    """Refuse to load if OpenSSL cannot verify a signature that is right, by the first key of
    RFC 8032's examples, of 32 zeros."""
    cdef uint8_t[32] hash_
    cdef bytes key = bytes.fromhex(
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    cdef bytes signature = bytes.fromhex(
        "355c74053a380ab58b298de23adcca49f39b7ca50a2cec5b861f6c7fddf87c8a"
        "53b78c7bb3959268c0db1edeb0440786839ef5defaad623290076198560b3c02"
    )
    memset(hash_, 0, 32)
    if signature_is_right(
        <const uint8_t*>PyBytes_AS_STRING(key), <const uint8_t*>PyBytes_AS_STRING(signature),
        hash_,
    ) != 1:
        raise ImportError("this OpenSSL does not verify Ed25519 signatures")


cdef int _major, _minor, _patch
mdb_version(&_major, &_minor, &_patch)
if (_major, _minor, _patch) < (0, 9, 33):
    raise ImportError(f"LMDB {_major}.{_minor}.{_patch} is too old: 0.9.33 or later is needed")
LMDB_VERSION = f"{_major}.{_minor}.{_patch}"
_check_layout()
_check_signatures()
# For one test only: the checks as a processor without the instruction makes them.
native_init(os.environ.get("SWITCH_TEST_PORTABLE") == "1")
CRC_PORTABLE = bool(native_crc_is_portable())
# What the core's functions rely on is looked at in this build: see native_assert.
ASSERTS = bool(SWITCH_ASSERT)

_GROUP_MAX = GROUP_MAX
_TAIL_MAX = TAIL_MAX
_ANSWERS_MAX = ANSWERS_MAX
_QUESTIONS_MAX = QUESTIONS_MAX
_RULES_VERSION = RULES_VERSION
# By way of the dictionary: as names they are C's.
globals().update(
    GROUP_MAX=_GROUP_MAX, TAIL_MAX=_TAIL_MAX, ANSWERS_MAX=_ANSWERS_MAX,
    QUESTIONS_MAX=_QUESTIONS_MAX,
)
_NEVER = NEVER
_ASIDE = ASIDE
_UNVERIFIED = UNVERIFIED
_ROWS_MAX = 65536
_TAILS_MAX = GROUP_MAX
_BALANCES_MAX = 1024
_SENT_FLAGS = ROW_TAIL | ROW_UNFREEZE | ROW_REVERSAL | ROW_HEAD_MASK | ROW_TENDER_MASK
KIND_TRAITS = tuple([kinds_traits(_kind) for _kind in range(256)])
BUDGET_BOUNDS = tuple([
    (budgets_least(_budget), budgets_most(_budget)) for _budget in range(256)
])


def crc32c(const uint8_t[::1] data, uint32_t seed=0):
    return native_crc(seed, &data[0] if data.shape[0] else NULL, data.shape[0])


def crc32c_portable(const uint8_t[::1] data, uint32_t seed=0):
    return native_crc_portable(seed, &data[0] if data.shape[0] else NULL, data.shape[0])


def pack_page(const uint8_t[::1] entries, uint32_t seed=0):
    """One page of a run, of at most 255 entries of 16 bytes in order."""
    cdef uint32_t count = <uint32_t>min(entries.shape[0] // 16, 256)
    cdef uint8_t[24 + 255 * 16] page
    cdef uint32_t check
    cdef size_t size
    if not 0 < count <= 255:
        raise ValueError("a page has 1 to 255 entries")
    size = native_page_pack(&entries[0], count, page)
    check = native_crc(seed, page + 4, size - 4)
    memcpy(page, &check, 4)
    return page[:size]


def unpack_page(const uint8_t[::1] block, size_t head, uint32_t nth, uint32_t seed=0):
    """The entries of a block's page; b"" if its check or its size is wrong."""
    cdef NativePage page
    cdef uint8_t[255 * 16] entries
    if nth >= head // 2:
        raise ValueError("a block has no such page")
    if not native_page_open(&block[0], block.shape[0], head, nth, seed, &page):
        return b""
    native_page_unpack(&page, entries)
    return entries[:page.count * 16]


def blake2b_keyed(
    const uint8_t[::1] block, const uint8_t[::1] key, const uint8_t[::1] salt,
    const uint8_t[::1] person, int size=16,
):
    cdef uint64_t[8] state
    cdef uint8_t[64] digest
    sizes = (block.shape[0], salt.shape[0], person.shape[0])
    if sizes != (128, 16, 16) or not 1 <= key.shape[0] <= 64 or not 1 <= size <= 64:
        raise ValueError("a block of 128 bytes, a key, and 16 bytes each of salt and person")
    native_blake2b_keyed_init(state, &key[0], key.shape[0], &salt[0], &person[0], size)
    native_blake2b_keyed_block(state, &block[0], digest, size)
    return PyBytes_FromStringAndSize(<char*>digest, size)


def next_cutoff(const uint8_t[::1] schedule not None, uint64_t after_ns):
    cdef uint64_t found
    if schedule.shape[0] == 0 or cutoffs_find(
        &schedule[0], <uint32_t>schedule.shape[0], after_ns, &found
    ) != 0:
        raise ValueError("this is not the record of a schedule")
    return found


def test_assert():
    """End the process by an assert that does not hold, if this build has asserts."""
    native_assert(SWITCH_ASSERT == 0, b"test_assert: this build has no asserts")


def test_walked():
    """What this thread has met in long loops so far, if this build has asserts; else 0."""
    return native_walked


cdef int check(int rc) except -1:
    """Turn a return code into an exception, once, at the border."""
    if rc == 0:
        return 0
    if rc == MDB_CORRUPTED:
        raise CorruptionError(rc, "a check of the journal failed; restore it from a copy")
    if rc == RC_INDEX:
        raise IndexDamagedError(rc, "a check of index/ failed; the next start makes it anew "
                                    "from the journal")
    if rc == RC_BEHIND:
        raise JournalBehindError(rc, "the journal lacks entries that index/ was made of: it "
                                     "has lost them, or was put back to an earlier state; "
                                     "keep both and restore the journal from a newer copy")
    if rc == RC_FORMAT:
        raise FormatError(rc, "this is not a ledger of a format that this version reads")
    if rc == RC_OTHER:
        raise IndexDamagedError(rc, "index/ belongs to another ledger, or has another format "
                                    "or step; it has to be made anew from the journal")
    if rc == RC_SPACE:
        raise SpaceError("the disk has no room for the journal; nothing was done")
    if rc == RC_FENCED or rc == RC_FOLLOWS:
        raise face_not_leader()
    if rc == RC_UNSETTLED:
        raise face_unknown()
    raise StorageError(rc, error_text(rc))


cdef const char* face_error_text(int rc) noexcept nogil:
    """What killed a ledger, or what a part of it has met."""
    if rc == RC_FENCED:
        return b"another node leads: the log has a later epoch"
    if rc == RC_UNSETTLED:
        return b"the log did not say whether it has the last chunk"
    return mdb_strerror(rc) if rc < 0 else strerror(rc)


cdef str error_text(int rc):
    return face_error_text(rc).decode()


cdef face_not_leader():
    return NotLeaderError("another node leads; nothing was done: ask that one")


cdef face_unknown():
    return UnknownOutcomeError(
        "the switch failed while it committed; whether this was done is unknown: send "
        "the same ids again"
    )


cdef face_dead(int rc):
    """Why a ledger that died before takes nothing."""
    return face_not_leader() if rc == RC_FENCED else DeadError(rc, error_text(rc))
