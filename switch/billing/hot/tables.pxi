# All tables: which rows are whose, and whose turn it is to be asked.

cdef inline bint is_accepted(const Row* row, int kind) noexcept nogil:
    return row.kind == kind and row.result == RESULT_OK


cdef inline bint is_whole(const Row* row, Py_ssize_t i) noexcept nogil:
    """Whether a hold stands alone, begins a basket, or follows one of its own."""
    return row.basket & 0xFF == 0 or (
        i > 0 and is_accepted(row - 1, KIND_HOLD) and (row - 1).basket == row.basket - 1
        and (row - 1).sequence == row.sequence - 1
    )


@cython.final
cdef class Router:
    cdef list tables            # by the index of a service; None: not met yet
    cdef uint64_t batch

    def __cinit__(self):
        self.tables = []

    def clear(self):
        self.tables = []

    def route(self, Py_ssize_t service, Columns table):
        while len(self.tables) <= service:
            self.tables.append(None)
        self.tables[service] = table

    cdef Columns table(self, Py_ssize_t service):
        return <Columns>self.tables[service] if service < len(self.tables) else None

    @staticmethod
    def kinds(rows):
        cdef const uint8_t[::1] data = view(rows)
        cdef const Row* row
        cdef bint[256] met
        cdef Py_ssize_t i
        for i in range(256):
            met[i] = False
        for i in range(rows.shape[0]):
            row = <const Row*>&data[0] + i
            if row.result == RESULT_OK:
                met[row.kind] = True
        return {i for i in range(256) if met[i]}

    def add(self, rows, uint64_t wall_ns):
        cdef const uint8_t[::1] data = view(rows)
        cdef const Row* row
        cdef Columns table
        cdef Py_ssize_t count = rows.shape[0]
        cdef Py_ssize_t i
        cdef list left = []
        self.batch += 1
        for i in range(count):
            row = <const Row*>&data[0] + i
            if not is_accepted(row, KIND_HOLD):
                continue
            table = self.table(row.service)
            if table is None:
                continue
            if table.batch != self.batch:
                table.batch = self.batch
                table.plain = True
            # Who has waited longer has had some of its questions, before a start.
            if not is_whole(row, i) or <int64_t>(wall_ns - row.timestamp) >= table.fresh:
                table.plain = False
        for i in range(count):
            row = <const Row*>&data[0] + i
            if not is_accepted(row, KIND_HOLD):
                continue
            table = self.table(row.service)
            # The numbers of a table ascend: all of its holds, or none.
            if table is None or not table.plain:
                left.append(i)
            else:
                table.append(row)
        return left

    def resolve(self, rows):
        cdef const uint8_t[::1] data = view(rows)
        cdef const Row* row
        cdef Columns table
        cdef Py_ssize_t i
        cdef list left = []
        for i in range(rows.shape[0]):
            row = <const Row*>&data[0] + i
            if row.result != RESULT_OK or (
                row.kind != KIND_POST and row.kind != KIND_VOID and row.kind != KIND_VERIFY
            ):
                continue
            table = self.table(row.service)
            if table is None or row.kind == KIND_VERIFY or not table.resolve_one(
                row.resolves - (row.basket & 0xFF)
            ):
                left.append(i)
            elif table.ends is not None:
                table.ends.put(row.resolves, row.kind, row.sequence)
        return left


cdef const uint8_t[::1] view(rows):
    """The bytes of at least one row."""
    if rows.dtype != _core.ROW or rows.shape[0] == 0:
        raise ValueError("rows must have the dtype ROW")
    return rows.view(np.uint8)


@cython.final
cdef class Turns:
    cdef list tables            # of all billers, in the order in which they were met
    cdef Py_ssize_t first       # has waited longest for its turn
    cdef Py_ssize_t left        # that have not been looked at in this round

    def __cinit__(self):
        self.tables = []

    def add(self, Columns table):
        self.tables.append(table)

    def begin(self):
        self.left = len(self.tables)

    def next(self):
        cdef Columns table
        while self.left > 0:
            table = <Columns>self.tables[self.first]
            if table.stirred or table.tells or (table.has_room and table.added):
                return self.first
            self.passed()
        return -1

    cpdef passed(self):
        self.first = (self.first + 1) % len(self.tables)
        self.left -= 1

    def many(self, Py_ssize_t least):
        cdef Columns table
        return [
            i for i, table in enumerate(self.tables)
            if table.has_room and table.added >= least
        ]
