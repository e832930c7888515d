# The slice of liblmdb that is called.

from libc.stdint cimport uint8_t

cdef extern from "lmdb.h" nogil:
    ctypedef struct MDB_env:
        pass
    ctypedef struct MDB_txn:
        pass
    ctypedef struct MDB_cursor:
        pass
    ctypedef unsigned int MDB_dbi
    ctypedef struct MDB_val:
        size_t mv_size
        void* mv_data
    ctypedef struct MDB_envinfo:
        size_t me_mapsize
        size_t me_last_pgno
        size_t me_last_txnid
        unsigned int me_numreaders
    ctypedef struct MDB_stat:
        unsigned int ms_psize
        size_t ms_entries

    enum:
        MDB_SUCCESS
        MDB_NOTFOUND
        MDB_PAGE_NOTFOUND
        MDB_CORRUPTED
        MDB_BAD_TXN
        MDB_INVALID
        MDB_VERSION_MISMATCH
        MDB_BAD_VALSIZE
        MDB_CURSOR_FULL
        MDB_INCOMPATIBLE
        MDB_KEYEXIST
        MDB_NOTLS
        MDB_NOSYNC
        MDB_NORDAHEAD
        MDB_RDONLY
        MDB_CREATE
        MDB_APPEND
        MDB_RESERVE

    ctypedef enum MDB_cursor_op:
        MDB_FIRST
        MDB_LAST
        MDB_NEXT
        MDB_PREV
        MDB_SET_RANGE

    char* mdb_version(int* major, int* minor, int* patch)
    char* mdb_strerror(int code)
    int mdb_env_create(MDB_env** env)
    int mdb_env_open(MDB_env* env, const char* path, unsigned int flags, unsigned int mode)
    void mdb_env_close(MDB_env* env)
    int mdb_env_set_mapsize(MDB_env* env, size_t size)
    int mdb_env_set_maxdbs(MDB_env* env, MDB_dbi count)
    int mdb_env_set_maxreaders(MDB_env* env, unsigned int count)
    int mdb_env_stat(MDB_env* env, MDB_stat* stat)
    int mdb_env_get_fd(MDB_env* env, int* fd)
    int mdb_env_info(MDB_env* env, MDB_envinfo* info)
    int mdb_txn_begin(MDB_env* env, MDB_txn* parent, unsigned int flags, MDB_txn** txn)
    int mdb_txn_commit(MDB_txn* txn)
    void mdb_txn_abort(MDB_txn* txn)
    size_t mdb_txn_id(MDB_txn* txn)
    void mdb_txn_reset(MDB_txn* txn)
    int mdb_txn_renew(MDB_txn* txn)
    int mdb_dbi_open(MDB_txn* txn, const char* name, unsigned int flags, MDB_dbi* dbi)
    int mdb_get(MDB_txn* txn, MDB_dbi dbi, MDB_val* key, MDB_val* data)
    int mdb_put(MDB_txn* txn, MDB_dbi dbi, MDB_val* key, MDB_val* data, unsigned int flags)
    int mdb_del(MDB_txn* txn, MDB_dbi dbi, MDB_val* key, MDB_val* data)
    int mdb_stat(MDB_txn* txn, MDB_dbi dbi, MDB_stat* stat)
    int mdb_cursor_open(MDB_txn* txn, MDB_dbi dbi, MDB_cursor** cursor)
    int mdb_cursor_renew(MDB_txn* txn, MDB_cursor* cursor)
    void mdb_cursor_close(MDB_cursor* cursor)
    int mdb_cursor_get(MDB_cursor* cursor, MDB_val* key, MDB_val* data, MDB_cursor_op op)
    int mdb_reader_check(MDB_env* env, int* dead)
