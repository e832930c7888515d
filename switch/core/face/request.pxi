# The Python face of requests, part of _core.pyx.

@cython.final
cdef class Request:
    cdef readonly uint32_t rows_count
    cdef readonly uint32_t payments_count
    cdef readonly uint32_t baskets_count
    cdef readonly uint64_t size
    cdef bytes body
    cdef bytes tails
    cdef uint32_t sender
    cdef uint32_t bound
    cdef uint64_t operator_
    cdef uint8_t form

    cdef void fill(self, Call* call) noexcept:
        """What a group needs to know of it; the bytes stay here."""
        memset(call, 0, sizeof(Call))
        call.body = <const uint8_t*>PyBytes_AS_STRING(self.body)
        call.size = PyBytes_GET_SIZE(self.body)
        if self.form != FORM_PAYMENTS:
            call.tails = <const uint8_t*>PyBytes_AS_STRING(self.tails)
        call.sender = self.sender
        call.bound = self.bound
        call.operator_ = self.operator_
        call.rows_count = self.rows_count
        call.tail_max = self.size
        call.form = self.form

    def __init__(self):
        raise TypeError("a request is made by Request.payments, Request.rows or Request.answers")

    @staticmethod
    def payments(bytes body not None, uint32_t sender, uint32_t centre, operator=0):
        cdef Request request = Request.__new__(Request)
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(body)
        cdef size_t size = PyBytes_GET_SIZE(body)
        cdef uint32_t count
        cdef uint32_t[2] parts
        cdef int rc
        rc = wire_read_request(
            data, size, NULL, 0, 0, &count, GROUP_MAX, parts
        )
        if rc == -2:
            raise WireError(f"more than {_GROUP_MAX} payments in one message", "payments")
        if rc != 0:
            raise WireError("the bytes are not a payments request")
        if count == 0:
            raise WireError("the message holds no payment", "payments")
        request.body = body
        request.sender = sender
        request.bound = centre
        request.operator_ = operator
        request.rows_count = count
        request.payments_count = parts[0]
        request.baskets_count = parts[1]
        request.size = wire_tail_max(size, count)
        request.form = FORM_PAYMENTS
        return request

    def decode(self):
        cdef size_t size = PyBytes_GET_SIZE(self.body)
        cdef uint32_t count, i
        cdef uint32_t[2] parts
        cdef uint8_t* data
        cdef Draft* drafts
        cdef Draft* draft
        if self.form != FORM_PAYMENTS:
            raise ValueError("only payments are decoded")
        drafts = <Draft*>calloc(self.rows_count, sizeof(Draft))
        # A copy without the zero that ends `bytes`: sanitizers see the first byte beyond.
        data = <uint8_t*>malloc(size)
        try:
            if drafts == NULL or data == NULL:
                raise MemoryError
            memcpy(data, PyBytes_AS_STRING(self.body), size)
            if wire_read_request(
                data, size, drafts, self.sender, self.bound, &count, self.rows_count,
                parts,
            ) != 0 or count != self.rows_count:
                raise WireError("the bytes are not what was checked")
            payments = []
            for i in range(count):
                draft = &drafts[i]
                payments.append((
                    PyBytes_FromStringAndSize(<char*>&draft.row, sizeof(Row)),
                    PyBytes_FromStringAndSize(<char*>draft.service_code, draft.service_size),
                    PyBytes_FromStringAndSize(<char*>draft.centre_code, draft.centre_size),
                    PyBytes_FromStringAndSize(<char*>draft.tail, draft.tail_size),
                    draft.bad,
                    draft.basket_left,
                ))
            return payments
        finally:
            free(drafts)
            free(data)

    @staticmethod
    def rows(rows, tails=()):
        cdef Request request = Request.__new__(Request)
        if rows.dtype != ROW:
            raise ValueError("rows must have the dtype ROW")
        if not 1 <= rows.size <= _GROUP_MAX:
            raise ValueError(f"between 1 and {_GROUP_MAX} rows can be requested")
        clean = np.array(rows, dtype=ROW).reshape(-1)
        if np.any(clean["flags"] & ~np.uint16(_SENT_FLAGS)):
            raise ValueError("flags that only the ledger sets")
        tailed = np.flatnonzero(clean["flags"] & np.uint16(ROW_TAIL))
        if len(tailed) != len(tails):
            raise ValueError("each row with ROW_TAIL needs one tail")
        size = int(np.count_nonzero(clean["kind"] == KIND_WINDOW))
        size *= 8 + BILLER_ACCOUNTS_MAX * sizeof(WindowLine) + SIGNATURE_SIZE
        payments = np.isin(clean["kind"], (KIND_PAY, KIND_HOLD))
        size += int(np.count_nonzero(payments)) * (8 + FIXED_TAIL_SIZE)
        pieces = []
        for index, tail in zip(tailed.tolist(), tails):
            most = TAIL_ITEM_MAX
            if clean["kind"][index] == KIND_PROPOSE and clean["total"][index] == PROPOSE_LINES:
                most = LINES_SIZE_MAX
            if not 1 <= len(tail) <= most:
                raise ValueError(f"a tail has 1 to {most} bytes")
            pieces += (len(tail).to_bytes(4, "little"), bytes(tail))
            size += 16 + len(tail)
            if kinds_has_record(clean["kind"][index]):
                digest = hashlib.blake2b(tail, digest_size=32).digest()
                clean["reference"][index] = np.frombuffer(digest, np.uint8)
        if size > _TAIL_MAX:
            raise ValueError(f"tails of more than {_TAIL_MAX} bytes")
        for name in ("sequence", "timestamp", "receipt", "result", "check"):
            clean[name] = 0
        request.body = clean.tobytes()
        request.tails = b"".join(pieces)
        request.rows_count = <uint32_t>clean.size
        request.size = size
        request.form = FORM_ROWS
        return request

    @staticmethod
    def answers(answers, uint32_t biller):
        cdef Request request = Request.__new__(Request)
        if answers.dtype != ANSWER:
            raise ValueError("answers must have the dtype ANSWER")
        if not 1 <= answers.size <= _GROUP_MAX:
            raise ValueError(f"between 1 and {_GROUP_MAX} answers can be requested")
        if biller == 0:
            raise ValueError("the biller that answers must be named")
        cdef uint32_t count = <uint32_t>answers.size
        cdef const uint8_t[::1] given = np.ascontiguousarray(answers).reshape(-1).view(np.uint8)
        cdef size_t size = 0
        cdef int rc
        body = PyBytes_FromStringAndSize(NULL, count * sizeof(Row))
        cdef uint8_t* tails = <uint8_t*>malloc(<size_t>count * (4 + REFERENCE_SIZE))
        if tails == NULL:
            raise MemoryError
        try:
            rc = questions_make_rows(
                <const Answer*>&given[0], count, <Row*>PyBytes_AS_STRING(body), tails, &size
            )
            if rc == -1:
                raise ValueError("only confirmations and rejections resolve a hold")
            if rc != 0:
                raise ValueError("a reference or reason is over-long or not printable")
            request.tails = PyBytes_FromStringAndSize(<char*>tails, size)
        finally:
            free(tails)
        request.body = body
        request.bound = biller
        request.rows_count = count
        request.size = <uint64_t>count * (8 + REFERENCE_SIZE)
        request.form = FORM_ANSWERS
        return request


def parse_answers(bytes body not None):
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(body)
    cdef size_t size = PyBytes_GET_SIZE(body)
    cdef uint32_t count
    cdef int rc = questions_read_answers(data, size, NULL, &count)
    if rc == -2:
        raise WireError(f"more than {_ANSWERS_MAX} answers in one message", "answers")
    if rc != 0:
        raise WireError("the bytes are not a biller's answers")
    answers = np.empty(count, ANSWER)
    if count == 0:
        return answers
    cdef uint8_t[::1] target = answers.view(np.uint8)
    with nogil:
        rc = questions_read_answers(data, size, <Answer*>&target[0], &count)
    if rc != 0:
        raise WireError("the bytes are not a biller's answers")
    return answers


def parse_clock(bytes body not None):
    cdef uint64_t clock
    if questions_read_clock(
        <const uint8_t*>PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), &clock
    ) != 0:
        raise WireError("the bytes are not a biller's answers")
    return clock


def encode_outcomes(const uint8_t[::1] ids not None, outcomes):
    if outcomes.dtype != OUTCOME or 16 * outcomes.size != ids.shape[0]:
        raise ValueError("one id of 16 bytes is needed for each OUTCOME")
    cdef bytes packed = outcomes.tobytes()
    cdef const Outcome* out = <const Outcome*>PyBytes_AS_STRING(packed)
    cdef Py_ssize_t count = outcomes.size
    cdef Py_ssize_t i
    cdef uint8_t* reply = <uint8_t*>malloc(max(count, 1) * WIRE_OUTCOME_MAX)
    cdef uint8_t* at = reply
    if reply == NULL:
        raise MemoryError
    try:
        for i in range(count):
            at = wire_put_outcome(at, &ids[16 * i], &out[i], NULL)
        return PyBytes_FromStringAndSize(<char*>reply, at - reply)
    finally:
        free(reply)


cdef face_reply(Call* call, const Outcome* outcomes, const uint8_t* replies):
    """The answer to one call of a group."""
    if call.form == FORM_PAYMENTS:
        return PyBytes_FromStringAndSize(<char*>replies + call.reply, call.reply_size)
    array = np.empty(call.rows_count, OUTCOME)
    cdef uint8_t[::1] target = array.view(np.uint8)
    memcpy(&target[0], &outcomes[call.first], call.rows_count * sizeof(Outcome))
    return array
