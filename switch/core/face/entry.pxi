# One row for Python, unpacked: the only place where an Entry is made. Part of _core.pyx.

# Looked up, which takes a tenth of the time of a call of the class.
cdef dict _kinds = {int(one): one for one in Kind}
cdef dict _results = {int(one): one for one in Result}


cdef object entry_make(const Row* row):
    cdef object kind = _kinds.get(row.kind)
    cdef object result = _results.get(row.result)
    if kind is None or result is None:
        # The ledger writes none of these, and journals of later rules are not opened.
        raise CorruptionError(
            MDB_CORRUPTED,
            f"row {row.sequence} has kind {row.kind}, result {row.result}; one of them is none"
        )
    return LedgerEntry(
        id=PyBytes_FromStringAndSize(<char*>row.id, sizeof(row.id)),
        sequence=row.sequence,
        timestamp=row.timestamp,
        amount=row.amount,
        resolves=row.resolves,
        reference=PyBytes_FromStringAndSize(<char*>row.reference, sizeof(row.reference)),
        debit=row.debit,
        credit=row.credit,
        receipt=row.receipt,
        operator=row.operator_,
        checker=row.checker,
        participant=row.participant,
        service=row.service,
        kind=kind,
        result=result,
        flags=RowFlag(row.flags & ~(ROW_HEAD_MASK | ROW_TENDER_MASK)),
        head=fields_head(row),
        tender=fields_tender(row),
        basket_size=fields_basket_size(row),
        basket_index=fields_basket_index(row),
        total=row.total,
        deadline=row.deadline,
        check=row.check,
    )


def entries_of(rows):
    if rows.dtype != ROW:
        raise ValueError("rows must have the dtype ROW")
    cdef bytes packed = rows.tobytes()
    cdef const Row* first = <const Row*>PyBytes_AS_STRING(packed)
    cdef Py_ssize_t index
    return [entry_make(&first[index]) for index in range(rows.size)]
