/* A target without libFuzzer: reads files, or changes them by chance.

       TARGET PATH...             each file, those of folders too, in the order of their names
       TARGET -runs N SEED PATH...  then N inputs made of these, without looking at coverage

   What ends the process is written to TARGET.found, and its name told. */

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include "target.h"

enum { INPUT_MAX = 1 << 16, INPUTS_MAX = 4096 };

static struct input {
    uint8_t *data;
    size_t size;
} inputs[INPUTS_MAX];
static size_t inputs_count;
static uint8_t current[INPUT_MAX];
static size_t current_size;
static char current_name[4096], found_name[4096];

/* Signal-safe: what was under way when the process ended. */
static void tell(void) {
    FILE *file = fopen(found_name, "wb");
    if (file != NULL) {
        fwrite(current, 1, current_size, file);
        fclose(file);
    }
    fprintf(stderr, "\n%s: %zu bytes, kept as %s\n", current_name, current_size, found_name);
}

static void on_abort(int unused) {
    (void)unused;
    signal(SIGABRT, SIG_DFL);
    tell();
    abort();
}

static void run(const uint8_t *data, size_t size) {
    memmove(current, data, size);
    current_size = size;
    /* Of its own allocation, so that a sanitizer sees its end. */
    uint8_t *copy = malloc(size);
    if (size > 0) memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void take_file(const char *path) {
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    snprintf(current_name, sizeof(current_name), "%s", path);
    run(bytes, size);
    if (inputs_count == INPUTS_MAX) return;
    struct input *input = &inputs[inputs_count++];
    input->data = malloc(size + 1);
    input->size = size;
    memcpy(input->data, bytes, size);
}

static void take_path(const char *path) {
    struct dirent **entries;
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) {
        take_file(path);
        return;
    }
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') take_path(name);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

static uint64_t state;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) {
    size_t at = size > 0 ? target_chance(&state, size) : 0, count;
    switch (size > 0 ? target_chance(&state, 4) : 2) {
    case 0:
        data[at] ^= (uint8_t)(1u << target_chance(&state, 8));
        return size;
    case 1:
        data[at] = (uint8_t)target_chance(&state, 256);
        return size;
    case 2:
        count = 1 + target_chance(&state, 8);
        if (size + count > most) return size;
        memmove(data + at + count, data + at, size - at);
        for (size_t i = 0; i < count; i++) data[at + i] = (uint8_t)target_chance(&state, 256);
        return size + count;
    default:
        count = 1 + target_chance(&state, size - at);
        memmove(data + at, data + at + count, size - at - count);
        return size - count;
    }
}

static void change(size_t runs, uint64_t seed) {
    static uint8_t bytes[INPUT_MAX];
    state = seed;
    for (size_t i = 0; i < runs && inputs_count > 0; i++) {
        const struct input *input = &inputs[target_chance(&state, inputs_count)];
        size_t size = input->size;
        memcpy(bytes, input->data, size);
        for (uint64_t times = 1 + target_chance(&state, 4); times > 0; times--) {
            if (LLVMFuzzerCustomMutator != NULL && target_chance(&state, 4) > 0)
                size = LLVMFuzzerCustomMutator(bytes, size, INPUT_MAX,
                                               (unsigned int)target_chance(&state, 1u << 31));
            else
                size = LLVMFuzzerMutate(bytes, size, INPUT_MAX);
        }
        snprintf(current_name, sizeof(current_name), "run %zu of seed %lu", i,
                 (unsigned long)seed);
        run(bytes, size);
    }
}

int main(int count, char **arguments) {
    int first = 1;
    size_t runs = 0;
    uint64_t seed = 1;
    if (count > 3 && strcmp(arguments[1], "-runs") == 0) {
        runs = strtoull(arguments[2], NULL, 10);
        seed = strtoull(arguments[3], NULL, 10);
        first = 4;
    }
    snprintf(found_name, sizeof(found_name), "%s.found", arguments[0]);
    unlink(found_name);
    signal(SIGABRT, on_abort);
    __sanitizer_set_death_callback(tell);
    for (int i = first; i < count; i++) take_path(arguments[i]);
    size_t files = inputs_count;
    change(runs, seed);
    printf("%zu files, %zu runs\n", files, runs);
    if (target_tell != NULL) target_tell();
    for (size_t i = 0; i < inputs_count; i++) free(inputs[i].data);
    return files > 0 ? 0 : 2;
}
