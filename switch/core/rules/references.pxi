# What a payment's reference is in its one form, by the record of its service: whatever
# spells the same bill is the same bytes.
#
# A pattern is read again for each reference: it has at most PATTERN_MAX bytes, and a class
# in it takes what it can and gives nothing back, so that no character is looked at twice.

cdef enum:
    REFERENCES_PERIOD = 8       # characters of "/YYYY-MM"
    REFERENCES_QUOTE = 39       # '
    REFERENCES_OPEN = 123       # {
    REFERENCES_CLOSE = 125      # }
    REFERENCES_COMMA = 44
    REFERENCES_DIGIT = 57       # 9, the classes: a digit
    REFERENCES_LETTER = 65      # A, a letter
    REFERENCES_EITHER = 88      # X, a letter or a digit
    REFERENCES_ANY = 42         # *, anything that can be seen

cdef struct Element:          # of a pattern
    const uint8_t* text       # of a literal
    uint32_t least            # characters that it takes; of a literal as many as it has
    uint32_t most
    uint8_t class_            # 0: a literal


cdef inline bint _references_is_digit(uint8_t c) noexcept nogil:
    return 48 <= c <= 57


cdef inline bint _references_is_letter(uint8_t c) noexcept nogil:
    return 97 <= c | 0x20 <= 122


cdef inline uint32_t references_size(const uint8_t* text, uint32_t most) noexcept nogil:
    """Bytes before the first zero."""
    cdef uint32_t size = 0
    while size < most and text[size] != 0:
        size += 1
    return size


cdef bint references_has_period(const uint8_t* reference) noexcept nogil:
    """Something, then "/YYYY-MM"."""
    cdef uint32_t size = references_size(reference, REFERENCE_SIZE)
    cdef const uint8_t* p
    cdef int i
    if size <= REFERENCES_PERIOD:
        return False
    p = reference + size - REFERENCES_PERIOD
    if p[0] != 47 or p[5] != 45:
        return False
    for i in range(1, REFERENCES_PERIOD):
        if i != 5 and not _references_is_digit(p[i]):
            return False
    i = (p[6] - 48) * 10 + (p[7] - 48)
    return 1 <= i <= 12


# --- patterns -----------------------------------------------------------------------------

cdef bint _references_read_number(
    const uint8_t* pattern, uint32_t size, uint32_t* at, uint32_t* number
) noexcept nogil:
    """One or two digits."""
    cdef uint32_t first = at[0]
    number[0] = 0
    while at[0] < size and at[0] < first + 2 and _references_is_digit(pattern[at[0]]):
        number[0] = number[0] * 10 + pattern[at[0]] - 48
        at[0] += 1
    return at[0] > first


cdef bint _references_read_counts(
    const uint8_t* pattern, uint32_t size, uint32_t* at, Element* element
) noexcept nogil:
    """What may stand behind a class: "{m}" or "{m,n}"."""
    if at[0] == size or pattern[at[0]] != REFERENCES_OPEN:
        return True
    at[0] += 1
    if not _references_read_number(pattern, size, at, &element.least):
        return False
    element.most = element.least
    if at[0] < size and pattern[at[0]] == REFERENCES_COMMA:
        at[0] += 1
        if not _references_read_number(pattern, size, at, &element.most):
            return False
    if at[0] == size or pattern[at[0]] != REFERENCES_CLOSE:
        return False
    at[0] += 1
    return element.least <= element.most and 1 <= element.most <= PATTERN_COUNT_MAX


cdef bint _references_read_element(
    const uint8_t* pattern, uint32_t size, uint32_t* at, Element* element
) noexcept nogil:
    """The element at `at`, which moves behind it. False if there is none that is formed."""
    cdef uint8_t c = pattern[at[0]]
    native_assert(at[0] < size and size <= PATTERN_MAX, b"references: inside the pattern")
    element.class_ = 0
    element.text = pattern + at[0]
    element.least = element.most = 1
    at[0] += 1
    if c == REFERENCES_OPEN or c == REFERENCES_CLOSE:
        return False
    if c == REFERENCES_QUOTE:
        element.text += 1
        while at[0] < size and pattern[at[0]] != REFERENCES_QUOTE:
            at[0] += 1
        element.least = element.most = <uint32_t>(pattern + at[0] - element.text)
        at[0] += 1
        return element.least > 0 and at[0] <= size
    if (
        c == REFERENCES_DIGIT or c == REFERENCES_LETTER or c == REFERENCES_EITHER
        or c == REFERENCES_ANY
    ):
        element.class_ = c
        return _references_read_counts(pattern, size, at, element)
    return True


cdef inline uint8_t _references_fold(uint8_t letters, uint8_t c) noexcept nogil:
    if letters == LETTERS_UPPER and 97 <= c <= 122:
        return c - 32
    if letters == LETTERS_LOWER and 65 <= c <= 90:
        return c + 32
    return c


cdef bint references_pattern_is_valid(const ServiceRecord* record) noexcept nogil:
    """Formed as it must be, without a letter that no reference has once it is folded, and
    not too long for all of them."""
    cdef const uint8_t* pattern = &record.pattern[0]
    cdef uint32_t size = references_size(pattern, PATTERN_MAX)
    cdef uint32_t at = 0
    cdef uint32_t least = 0
    cdef uint32_t i
    cdef Element element
    if not keys_is_zero(pattern + size, PATTERN_MAX - size):
        return False
    for i in range(size):
        if not 0x20 <= pattern[i] <= 0x7E:
            return False
    while at < size:
        if not _references_read_element(pattern, size, &at, &element):
            return False
        least += element.least
        if element.class_ != 0:
            continue
        for i in range(element.least):
            if _references_fold(record.letters, element.text[i]) != element.text[i]:
                return False
    return least <= REFERENCE_SIZE


cdef uint32_t _references_count(
    uint8_t class_, const uint8_t* text, uint32_t most
) noexcept nogil:
    """How many characters of a class a text begins with, up to `most`."""
    cdef uint32_t count = 0
    if class_ == REFERENCES_DIGIT:
        while count < most and _references_is_digit(text[count]):
            count += 1
    elif class_ == REFERENCES_LETTER:
        while count < most and _references_is_letter(text[count]):
            count += 1
    elif class_ == REFERENCES_EITHER:
        while count < most and (
            _references_is_digit(text[count]) or _references_is_letter(text[count])
        ):
            count += 1
    else:
        while count < most and 0x21 <= text[count] <= 0x7E:
            count += 1
    return count


cdef bint _references_match(
    const uint8_t* pattern, const uint8_t* text, uint32_t size
) noexcept nogil:
    """Whether all of a text is what a valid pattern says."""
    cdef uint32_t pattern_size = references_size(pattern, PATTERN_MAX)
    cdef uint32_t at = 0
    cdef uint32_t done = 0
    cdef uint32_t taken
    cdef Element element
    while at < pattern_size:
        if not _references_read_element(pattern, pattern_size, &at, &element):
            return False
        taken = 0
        if element.class_ != 0:
            taken = _references_count(
                element.class_, text + done, min(element.most, size - done)
            )
        elif size - done >= element.least and (
            memcmp(text + done, element.text, element.least) == 0
        ):
            taken = element.least
        if taken < element.least:
            return False
        done += taken
    return done == size


# --- check digits -------------------------------------------------------------------------

cdef inline uint32_t _references_turn(uint32_t a, uint32_t b) noexcept nogil:
    """The product of two turns of a pentagon; 5 to 9 also turn it over."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a + 5 - b) % 5 if b < 5 else (a + 5 - b) % 5


cdef bint _references_check_is_right(
    int check_digit, const uint8_t* text, uint32_t size
) noexcept nogil:
    """Whether the digits of a text, the last one included, check out. None do not."""
    cdef uint8_t[10] moved
    cdef uint32_t place = 0     # counted from the right
    cdef uint32_t luhn = 0
    cdef uint32_t verhoeff = 0
    cdef uint32_t digit, i
    moved[:] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    while size > 0:
        size -= 1
        if not _references_is_digit(text[size]):
            continue
        digit = text[size] - 48
        luhn += digit if place % 2 == 0 else (2 * digit if digit < 5 else 2 * digit - 9)
        for i in range(place % 8):
            digit = moved[digit]
        verhoeff = _references_turn(verhoeff, digit)
        place += 1
    if place == 0:
        return False
    return luhn % 10 == 0 if check_digit == CHECK_DIGIT_LUHN else verhoeff == 0


# --- the one form -------------------------------------------------------------------------

cdef inline bint _references_is_ignored(uint8_t ignored, uint8_t c) noexcept nogil:
    return (
        (c == 0x20 and ignored & IGNORED_SPACE != 0)
        or (c == 45 and ignored & IGNORED_HYPHEN != 0)
        or (c == 47 and ignored & IGNORED_SLASH != 0)
        or (c == 46 and ignored & IGNORED_POINT != 0)
    )


cdef void references_learn(Service* service) noexcept nogil:
    """Note what a service's record makes of each character, and whether its references have
    another form than that in which they are sent, or must be formed at all."""
    cdef const ServiceRecord* record = &service.record
    cdef uint8_t c
    for c in range(128):
        service.spelling[c] = _references_fold(record.letters, c)
        if _references_is_ignored(record.ignored, c):
            service.spelling[c] = 0
    service.ruled = (
        record.letters != LETTERS_AS_THEY_ARE or record.ignored != 0
        or record.check_digit != CHECK_DIGIT_NONE or record.pattern[0] != 0
    )


cdef uint32_t _references_strip(
    const Service* service, const uint8_t* text, uint32_t size, uint8_t* out
) noexcept nogil:
    """Copy what is not ignored, its letters folded; give its size."""
    cdef uint32_t kept = 0
    cdef uint32_t zeros = 0
    cdef uint32_t i
    for i in range(size):
        out[kept] = service.spelling[text[i] & 0x7F]
        kept += out[kept] != 0
    if service.record.ignored & IGNORED_ZEROS:
        while zeros + 1 < kept and out[zeros] == 48:
            zeros += 1
        if zeros > 0:
            kept -= zeros
            memmove(out, out + zeros, kept)
    return kept


cdef bint references_canonical(
    const Service* service, uint8_t* reference, bint with_period
) noexcept nogil:
    """Bring a reference of good shape into its one form. False, and it stays, if it has none.

    `with_period`: of a service that is known by period it ends in one, which stays as it is;
    where it is missing everything does, and is refused later.
    """
    cdef const ServiceRecord* record = &service.record
    cdef uint8_t[REFERENCE_SIZE] out
    cdef uint32_t size = references_size(reference, REFERENCE_SIZE)
    cdef uint32_t period = 0
    cdef uint32_t kept
    if with_period and record.key_rule == KEY_REFERENCE_PERIOD:
        if not references_has_period(reference):
            return True
        period = REFERENCES_PERIOD
    kept = _references_strip(service, reference, size - period, out)
    if kept == 0:
        return False
    if record.pattern[0] != 0 and not _references_match(record.pattern, out, kept):
        return False
    if record.check_digit != CHECK_DIGIT_NONE and not (
        _references_check_is_right(record.check_digit, out, kept)
    ):
        return False
    memcpy(out + kept, reference + size - period, period)
    kept += period
    if out[0] == 0x20 or out[kept - 1] == 0x20:
        return False
    native_assert(kept <= size, b"references_canonical: it does not grow")
    memcpy(reference, out, kept)
    memset(reference + kept, 0, REFERENCE_SIZE - kept)
    return True


cdef bint references_canonical_bill(const Service* service, uint8_t* bill) noexcept nogil:
    """The same of a bill's id as its biller gave it: no pattern, no check digit."""
    cdef uint8_t[REFERENCE_SIZE] out
    cdef uint32_t size = references_size(bill, REFERENCE_SIZE)
    cdef uint32_t kept = _references_strip(service, bill, size, out)
    if kept == 0 or out[0] == 0x20 or out[kept - 1] == 0x20:
        return False
    memcpy(bill, out, kept)
    memset(bill + kept, 0, REFERENCE_SIZE - kept)
    return True


cdef inline uint32_t _references_month(const uint8_t* period) noexcept nogil:
    """Of "/YYYY-MM": year x 12 + month - 1."""
    cdef uint32_t year = 0
    cdef int i
    for i in range(1, 5):
        year = year * 10 + period[i] - 48
    return year * 12 + (period[6] - 48) * 10 + (period[7] - 48) - 1


cdef uint32_t references_cut_period(uint8_t* reference) noexcept nogil:
    """Take the period off a reference that ends in one, and say which it is; 0 for none."""
    cdef uint32_t size = references_size(reference, REFERENCE_SIZE)
    cdef uint32_t month
    if not references_has_period(reference):
        return 0
    month = _references_month(reference + size - REFERENCES_PERIOD)
    memset(reference + size - REFERENCES_PERIOD, 0, REFERENCES_PERIOD)
    return month


cdef bint references_put_period(uint8_t* reference, uint32_t month) noexcept nogil:
    """Put "/YYYY-MM" behind a reference; False, and nothing is put, if it has no room."""
    cdef uint32_t size = references_size(reference, REFERENCE_SIZE)
    cdef uint32_t year = month // 12
    cdef int i
    if size + REFERENCES_PERIOD > REFERENCE_SIZE or year > 9999:
        return False
    month = month % 12 + 1
    reference[size] = 47
    for i in range(4, 0, -1):
        reference[size + i] = <uint8_t>(48 + year % 10)
        year = year // 10
    reference[size + 5] = 45
    reference[size + 6] = <uint8_t>(48 + month // 10)
    reference[size + 7] = <uint8_t>(48 + month % 10)
    return True
