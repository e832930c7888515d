/* HTTP/2: any frames, in pieces of any size, to a front that answers as it pleases.

   Input: a byte of how it is sent, a byte of what the caller does, and frames.
       bits 0-1  all at once, or 2048, 100, 7 bytes at a time
       bit 2     the peer takes nothing that is said to it
       bit 3     without the preface
       bit 4     it does not hang up: timers end it

   Beside what door.h looks at: what the server says is HTTP/2. Frames are whole and of a
   known type, SETTINGS first, HEADERS and DATA of streams that the peer may have opened, and
   none behind a stream's end. */

#include <string.h>

#include "door.h"
#include "hpack.h"
#include "plain.h"
#include "target.h"

enum {
    STREAMS = 1024, /* that are looked at; with more at a time some are passed over */
    FRAME_MAX = (1 << 24) - 1,
};

static struct {
    uint8_t head[FRAME_HEAD];
    size_t head_count, left;
    bool begun;
    uint32_t over[STREAMS]; /* by number: a stream that has ended */
} said;

static void judge_frame(void) {
    const uint8_t *head = said.head;
    uint32_t stream = (uint32_t)(head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 |
                      (uint32_t)head[7] << 8 | head[8];
    said.left = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    target_check(said.begun || (head[3] == NGHTTP2_SETTINGS && !(head[4] & NGHTTP2_FLAG_ACK)),
                 "SETTINGS are not the first that is said, but %d", head[3]);
    said.begun = true;
    switch (head[3]) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        target_check(stream % 2 == 1, "type %d of stream %u", head[3], stream);
        target_check(said.over[stream / 2 % STREAMS] != stream, "type %d behind the end of %u",
                     head[3], stream);
        if (head[4] & NGHTTP2_FLAG_END_STREAM) said.over[stream / 2 % STREAMS] = stream;
        break;
    case NGHTTP2_CONTINUATION:
        break;
    case NGHTTP2_RST_STREAM:
        target_check(stream != 0 && said.left == 4, "a reset of stream %u", stream);
        said.over[stream / 2 % STREAMS] = stream;
        break;
    case NGHTTP2_WINDOW_UPDATE:
        target_check(said.left == 4, "an update of %zu bytes", said.left);
        break;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
    case NGHTTP2_GOAWAY:
        target_check(stream == 0, "type %d of stream %u", head[3], stream);
        break;
    default:
        target_fail("a frame of type %d", head[3]);
    }
}

static void judge(const uint8_t *data, size_t size) {
    while (size > 0) {
        if (said.left > 0) {
            size_t piece = said.left < size ? said.left : size;
            said.left -= piece;
            data += piece;
            size -= piece;
            continue;
        }
        said.head[said.head_count++] = *data++;
        size--;
        if (said.head_count < FRAME_HEAD) continue;
        said.head_count = 0;
        judge_frame();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t steps[] = {1 << 20, 2048, 100, 7};
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (size < HPACK_OPTIONS) return 0;
    door_init(NULL);
    memset(&said, 0, sizeof(said));
    plain.hear = judge;
    plain.stuck = data[0] & 4;
    size_t step = steps[data[0] & 3];
    bool open = plain_open(data[1]);
    if (open && !(data[0] & 8)) open = plain_send(preface, sizeof(preface) - 1, step);
    if (open) plain_send(data + HPACK_OPTIONS, size - HPACK_OPTIONS, step);
    plain_end(!(data[0] & 16));
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed) {
    return hpack_mutate(data, size, most, seed);
}
