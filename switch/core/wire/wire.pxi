# Protobuf bytes to drafts and back, for the payment messages.
#
# One walk checks the framing when a message arrives, the same walk fills drafts when its
# group is made. Unknown fields are skipped, of repeated scalars the last one counts, as
# every protobuf parser does it. See proto/switch/v1/payments.proto.

cdef enum:
    WIRE_VARINT = 0
    WIRE_FIXED64 = 1
    WIRE_BYTES = 2
    WIRE_GROUP = 3
    WIRE_GROUP_END = 4
    WIRE_FIXED32 = 5
    WIRE_DEPTH_MAX = 32         # of unknown groups
    WIRE_SHORT_MAX = 5          # bytes of a tag or a length, however it is written
    WIRE_OUTCOME_MAX = 129      # bytes of one PaymentOutcome with its tag and length

cdef struct Wire:
    const uint8_t* at
    const uint8_t* end


cdef inline int wire_read_varint(Wire* wire, uint64_t* value) noexcept nogil:
    cdef uint64_t result = 0
    cdef int shift = 0
    cdef uint8_t byte
    while wire.at < wire.end:
        byte = wire.at[0]
        wire.at += 1
        if shift == 63 and byte > 1:
            return -1
        result |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            value[0] = result
            return 0
        shift += 7
        if shift > 63:
            return -1
    return -1


cdef inline int wire_read_tag(Wire* wire, uint32_t* field, int* kind) noexcept nogil:
    cdef const uint8_t* start = wire.at
    cdef uint64_t tag
    if wire_read_varint(wire, &tag) != 0 or tag >> 32 != 0 or tag >> 3 == 0:
        return -1
    if wire.at - start > WIRE_SHORT_MAX:
        return -1
    field[0] = <uint32_t>(tag >> 3)
    kind[0] = <int>(tag & 7)
    return 0


cdef inline int wire_read_bytes(Wire* wire, Wire* part) noexcept nogil:
    cdef const uint8_t* start = wire.at
    cdef uint64_t size
    if wire_read_varint(wire, &size) != 0 or size > <uint64_t>(wire.end - wire.at):
        return -1
    if wire.at - start > WIRE_SHORT_MAX:
        return -1
    part.at = wire.at
    part.end = wire.at + size
    wire.at += size
    return 0


cdef int wire_skip(Wire* wire, uint32_t field, int kind) noexcept nogil:
    """Skip the value of an unknown field; groups with everything in them."""
    cdef uint32_t[WIRE_DEPTH_MAX] open_groups
    cdef int depth = 0
    cdef uint64_t value
    cdef Wire part
    while True:
        if kind == WIRE_VARINT:
            if wire_read_varint(wire, &value) != 0:
                return -1
        elif kind == WIRE_BYTES:
            if wire_read_bytes(wire, &part) != 0:
                return -1
        elif kind == WIRE_FIXED64 or kind == WIRE_FIXED32:
            value = 8 if kind == WIRE_FIXED64 else 4
            if value > <uint64_t>(wire.end - wire.at):
                return -1
            wire.at += value
        elif kind == WIRE_GROUP:
            if depth == WIRE_DEPTH_MAX:
                return -1
            open_groups[depth] = field
            depth += 1
        elif kind == WIRE_GROUP_END:
            if depth == 0 or open_groups[depth - 1] != field:
                return -1
            depth -= 1
        else:
            return -1
        if depth == 0:
            return 0
        if wire_read_tag(wire, &field, &kind) != 0:
            return -1


cdef inline void _wire_set_text(
    const Wire* part, const uint8_t** text, uint8_t* size
) noexcept nogil:
    """Codes longer than any code are cut to a size that no code has."""
    text[0] = part.at
    size[0] = <uint8_t>min(<size_t>(part.end - part.at), <size_t>255)


cdef void _wire_set_reference(Draft* draft, const Wire* part) noexcept nogil:
    draft.bad &= <uint16_t>(~(1 << RESULT_INVALID_REFERENCE) & 0xFFFF)
    if part.end - part.at > REFERENCE_SIZE or not register_pad(
        part.at, <uint32_t>(part.end - part.at), draft.row.reference, REFERENCE_SIZE
    ):
        memset(draft.row.reference, 0, REFERENCE_SIZE)
        payment_mark(draft, RESULT_INVALID_REFERENCE)


cdef void _wire_set_id(Draft* draft, const Wire* part) noexcept nogil:
    memset(draft.row.id, 0, 16)
    if part.end - part.at == 16:
        memcpy(draft.row.id, part.at, 16)


cdef int _wire_read_item(Wire* wire, Draft* draft) noexcept nogil:
    """One TariffItem message; the framing alone if `draft` is NULL."""
    cdef TariffTail* tail
    cdef ItemLine item
    cdef uint32_t field, i
    cdef int kind
    cdef uint64_t value
    cdef bint bad = False
    cdef Wire part
    memset(&item, 0, sizeof(ItemLine))
    while wire.at < wire.end:
        if wire_read_tag(wire, &field, &kind) != 0:
            return -1
        if kind == WIRE_VARINT:
            if wire_read_varint(wire, &value) != 0:
                return -1
            if field == 2:
                item.count = <uint32_t>min(value, <uint64_t>(ITEM_COUNT_MAX + 1))
        elif kind == WIRE_BYTES:
            if wire_read_bytes(wire, &part) != 0:
                return -1
            if field == 1:
                bad = not register_pad(
                    part.at, <uint32_t>min(<size_t>(part.end - part.at), <size_t>9), item.code, 8
                )
        elif wire_skip(wire, field, kind) != 0:
            return -1
    if draft == NULL:
        return 0
    tail = <TariffTail*>draft.fixed
    if bad or draft.items_count == ITEMS_MAX or not 1 <= item.count <= ITEM_COUNT_MAX or (
        not keys_code_is_valid(item.code, 8, True)
    ):
        payment_mark(draft, RESULT_INVALID_ITEMS)
        return 0
    for i in range(draft.items_count):
        if memcmp(tail.items[i].code, item.code, 8) == 0:
            payment_mark(draft, RESULT_INVALID_ITEMS)
    tail.items[draft.items_count] = item
    draft.items_count += 1
    return 0


cdef void _wire_set_handle(Draft* draft, const Wire* part) noexcept nogil:
    draft.handle = part.at
    draft.handle_size = <uint32_t>min(<size_t>(part.end - part.at), <size_t>(HANDLE_SIZE + 1))
    draft.row.resolves = 0
    if draft.handle_size == HANDLE_SIZE:
        memcpy(&draft.row.resolves, draft.handle, 8)


cdef void _wire_set_scalar(Draft* draft, uint32_t field, uint64_t value) noexcept nogil:
    cdef uint16_t cleared
    cdef int result = 0
    if field == 3:
        draft.row.amount = value
    elif field == 5:
        draft.row.operator_ = <uint32_t>value
        result = RESULT_INVALID_OPERATOR
        draft.bad &= <uint16_t>(~(1 << result) & 0xFFFF)
        if value >> 32 != 0:
            payment_mark(draft, result)
    elif field == 7:
        draft.row.total = value
    elif field == 8:
        result = RESULT_INVALID_TENDER
        draft.bad &= <uint16_t>(~(1 << result) & 0xFFFF)
        if value > TENDER_CARD:
            payment_mark(draft, result)
            value = 0
        fields_set_tender(&draft.row, <uint32_t>value)
    elif field == 9:
        result = RESULT_INVALID_HEAD
        draft.bad &= <uint16_t>(~(1 << result) & 0xFFFF)
        if value >= HEADS_MAX:
            payment_mark(draft, result)
            value = 0
        fields_set_head(&draft.row, <uint32_t>value)


cdef int _wire_read_payment(Wire* wire, Draft* draft) noexcept nogil:
    """One Payment message. `draft` may be NULL: then only the framing is checked."""
    cdef uint32_t field
    cdef int kind
    cdef uint64_t value
    cdef Wire part
    while wire.at < wire.end:
        if wire_read_tag(wire, &field, &kind) != 0:
            return -1
        if kind == WIRE_VARINT:
            if wire_read_varint(wire, &value) != 0:
                return -1
            if draft != NULL:
                _wire_set_scalar(draft, field, value)
        elif kind == WIRE_BYTES:
            if wire_read_bytes(wire, &part) != 0:
                return -1
            if field == 13:
                if _wire_read_item(&part, draft) != 0:
                    return -1
            elif draft == NULL:
                continue
            elif field == 1:
                _wire_set_id(draft, &part)
            elif field == 2:
                _wire_set_text(&part, &draft.service_code, &draft.service_size)
            elif field == 4:
                _wire_set_reference(draft, &part)
            elif field == 6:
                _wire_set_text(&part, &draft.centre_code, &draft.centre_size)
            elif field == 10:
                draft.tail = part.at
                # Longer ones are refused for their shape before the size is used.
                draft.tail_size = <uint32_t>min(
                    <size_t>(part.end - part.at), <size_t>(NOTE_MAX + 1)
                )
            elif field == 11:
                draft.token = part.at
                draft.token_size = <uint32_t>min(
                    <size_t>(part.end - part.at), <size_t>(sizeof(Quotation) + 1)
                )
            elif field == 12:
                _wire_set_handle(draft, &part)
        elif wire_skip(wire, field, kind) != 0:
            return -1
    return 0


cdef void _wire_finish_payment(Draft* draft) noexcept nogil:
    """Shape checks that need the whole message."""
    cdef const Row* row = &draft.row
    if keys_no_id(row.id):
        payment_mark(draft, RESULT_INVALID_ID)
    if row.amount == 0 or row.amount > AMOUNT_MAX:
        payment_mark(draft, RESULT_INVALID_AMOUNT)
    if not payment_reference_is_valid(row.reference):
        payment_mark(draft, RESULT_INVALID_REFERENCE)
    if draft.tail_size > NOTE_MAX or not payment_text_is_valid(draft.tail, draft.tail_size):
        payment_mark(draft, RESULT_INVALID_NOTE)
        draft.tail_size = 0


cdef uint64_t wire_tail_max(size_t size, uint32_t count) noexcept nogil:
    """No more of a message than its own bytes and padding can become tails."""
    return min(
        <uint64_t>size + (16 + FIXED_TAIL_SIZE) * <uint64_t>count,
        <uint64_t>count * (8 + FIXED_TAIL_SIZE + NOTE_MAX),
    )


cdef int wire_read_request(
    const uint8_t* body, size_t size, Draft* drafts, uint32_t sender, uint32_t bound,
    uint32_t* count, uint32_t count_max, uint32_t* parts
) noexcept nogil:
    """Walk a request. `drafts` NULL: check and count only. -1 if it is malformed.

    `count` is of payments, those in baskets included; -2 if there are too many. `parts`:
    how many payments outside baskets, and how many baskets.
    """
    cdef Wire wire, message, inner
    cdef uint32_t field, basket_field, first, i
    cdef int kind
    cdef Draft* draft
    wire.at = body
    wire.end = body + size
    count[0] = 0
    parts[0] = parts[1] = 0
    while wire.at < wire.end:
        if wire_read_tag(&wire, &field, &kind) != 0:
            return -1
        if kind != WIRE_BYTES or field > 2:
            if wire_skip(&wire, field, kind) != 0:
                return -1
            continue
        if wire_read_bytes(&wire, &message) != 0:
            return -1
        parts[field - 1] += 1
        first = count[0]
        while field == 1 or message.at < message.end:
            inner = message
            if field == 2:
                if wire_read_tag(&message, &basket_field, &kind) != 0:
                    return -1
                if kind != WIRE_BYTES or basket_field != 1:
                    if wire_skip(&message, basket_field, kind) != 0:
                        return -1
                    continue
                if wire_read_bytes(&message, &inner) != 0:
                    return -1
            if count[0] == count_max:
                return -2
            draft = NULL
            if drafts != NULL:
                draft = &drafts[count[0]]
                memset(draft, 0, sizeof(Draft))
                draft.from_message = 1
                draft.row.kind = KIND_PAY
                draft.row.participant = sender
                draft.bound = bound
            if _wire_read_payment(&inner, draft) != 0:
                return -1
            if drafts != NULL:
                _wire_finish_payment(draft)
            count[0] += 1
            if field == 1:
                break
        if field == 2 and drafts != NULL:
            for i in range(first, count[0]):
                drafts[i].in_basket = 1
                drafts[i].basket = <uint8_t>min(count[0] - first, 255)
                drafts[i].row.basket = fields_basket(drafts[i].basket, i - first)
                drafts[i].basket_left = count[0] - i
    return 0


# --- answers -----------------------------------------------------------------------------------

cdef inline uint8_t* wire_put_varint(uint8_t* at, uint64_t value) noexcept nogil:
    while value >= 0x80:
        at[0] = <uint8_t>(value | 0x80)
        at += 1
        value >>= 7
    at[0] = <uint8_t>value
    return at + 1


cdef inline uint8_t* wire_put_field(uint8_t* at, int field, uint64_t value) noexcept nogil:
    """A scalar; zero is left out, as proto3 does."""
    if value == 0:
        return at
    at[0] = <uint8_t>(field << 3)
    return wire_put_varint(at + 1, value)


cdef inline uint8_t* wire_put_text(
    uint8_t* at, int field, const uint8_t* text, uint32_t size_max
) noexcept nogil:
    """A zero-padded text of fewer than 128 bytes."""
    cdef uint32_t size = 0
    while size < size_max and text[size] != 0:
        size += 1
    if size == 0:
        return at
    at[0] = <uint8_t>((field << 3) | WIRE_BYTES)
    at[1] = <uint8_t>size
    memcpy(at + 2, text, size)
    return at + 2 + size


cdef inline uint8_t* wire_put_id(uint8_t* at, int field, const uint8_t* id) noexcept nogil:
    if keys_no_id(id):
        return at
    at[0] = <uint8_t>((field << 3) | WIRE_BYTES)
    at[1] = 16
    memcpy(at + 2, id, 16)
    return at + 18


cdef uint8_t* wire_put_outcome(
    uint8_t* at, const uint8_t* id, const Outcome* out, const uint8_t* handle
) noexcept nogil:
    """One `outcomes` field of a response: at most WIRE_OUTCOME_MAX bytes. `handle`: of the
    payment in the way, or NULL."""
    cdef uint8_t* body = at + 2
    cdef uint8_t* end = wire_put_id(body, 1, id)
    end = wire_put_field(end, 2, out.result)
    end = wire_put_field(end, 3, out.sequence)
    end = wire_put_field(end, 4, out.receipt)
    end = wire_put_field(end, 5, out.year)
    end = wire_put_field(end, 6, out.timestamp)
    end = wire_put_field(end, 7, out.balance)
    end = wire_put_field(end, 8, out.pending)
    end = wire_put_field(end, 9, out.repeat)
    end = wire_put_field(end, 10, out.field)
    if not out.foreign:
        end = wire_put_id(end, 11, out.other_id)
        end = wire_put_field(end, 12, out.other)
    end = wire_put_field(end, 13, out.state)
    if handle != NULL:
        end[0] = (14 << 3) | WIRE_BYTES
        end[1] = HANDLE_SIZE
        memcpy(end + 2, handle, HANDLE_SIZE)
        end += 2 + HANDLE_SIZE
    native_assert(end - body < 128, b"wire_put_outcome: the length is one byte")
    at[0] = (1 << 3) | WIRE_BYTES
    at[1] = <uint8_t>(end - body)
    return end
