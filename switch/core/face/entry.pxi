# One row for Python, unpacked: the only place where an Entry is made. Part of _core.pyx.

# Looked up, which takes a tenth of the time of a call of the class.
cdef dict _kinds = {int(one): one for one in Kind}
cdef dict _results = {int(one): one for one in Result}
cdef dict _flags = {}

cdef object _entry_new = tuple.__new__

assert LedgerEntry._fields == (
    "id", "sequence", "timestamp", "amount", "resolves", "reference", "debit", "credit",
    "receipt", "operator", "checker", "participant", "service", "kind", "result", "flags",
    "head", "tender", "basket_size", "basket_index", "total", "deadline", "check",
)


cdef object entry_make(const Row* row):
    cdef object kind = _kinds.get(row.kind)
    cdef object result = _results.get(row.result)
    if kind is None or result is None:
        # The ledger writes none of these, and journals of later rules are not opened.
        raise CorruptionError(
            MDB_CORRUPTED,
            f"row {row.sequence} has kind {row.kind}, result {row.result}; one of them is none"
        )
    cdef int bits = row.flags & ~(ROW_HEAD_MASK | ROW_TENDER_MASK)
    cdef object flags = _flags.get(bits)
    if flags is None:
        flags = _flags[bits] = RowFlag(bits)
    # By their places, which `_fields` holds: by name takes three times as long.
    return _entry_new(LedgerEntry, (
        PyBytes_FromStringAndSize(<char*>row.id, sizeof(row.id)),
        row.sequence,
        row.timestamp,
        row.amount,
        row.resolves,
        PyBytes_FromStringAndSize(<char*>row.reference, sizeof(row.reference)),
        row.debit,
        row.credit,
        row.receipt,
        row.operator_,
        row.checker,
        row.participant,
        row.service,
        kind,
        result,
        flags,
        fields_head(row),
        fields_tender(row),
        fields_basket_size(row),
        fields_basket_index(row),
        row.total,
        row.deadline,
        row.check,
    ))


def entries_of(rows):
    if rows.dtype != ROW:
        raise ValueError("rows must have the dtype ROW")
    cdef bytes packed = rows.tobytes()
    cdef const Row* first = <const Row*>PyBytes_AS_STRING(packed)
    cdef Py_ssize_t index
    return [entry_make(&first[index]) for index in range(rows.size)]
