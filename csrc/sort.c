/* Sorting numbers by their bits: least significant byte first, so that equal values keep their order. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define N_BYTES 8 /* of a key */
#define BUCKETS 256

/* Unsigned integers in the order of the doubles; both zeros are one. */
static uint64_t key_of(double value) {
    uint64_t bits;
    value += 0.0;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static double value_of(uint64_t key) {
    uint64_t bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int byte_of(uint64_t key, int place) { return (int)(key >> 8 * place & 255); }

/* Sorts keys, and rows with them where they are not NULL. Either ends in its own memory or in the spare one: *keys and *rows say where. */
static void sort_keys(uint64_t **keys, uint64_t *spare_keys, uint32_t **rows, uint32_t *spare_rows, int64_t n,
                      int64_t *counts /* (N_BYTES, BUCKETS) */) {
    memset(counts, 0, sizeof *counts * N_BYTES * BUCKETS);
    for (int64_t i = 0; i < n; ++i) {
        for (int place = 0; place < N_BYTES; ++place) ++counts[place * BUCKETS + byte_of((*keys)[i], place)];
    }
    for (int place = 0; place < N_BYTES; ++place) {
        int64_t *next = counts + place * BUCKETS, sum = 0;
        if (next[byte_of((*keys)[0], place)] == n) continue; /* the same in all */
        for (int bucket = 0; bucket < BUCKETS; ++bucket) {
            int64_t count = next[bucket];
            next[bucket] = sum;
            sum += count;
        }
        uint64_t *from_keys = *keys;
        uint32_t *from_rows = rows ? *rows : NULL;
        for (int64_t i = 0; i < n; ++i) {
            int64_t to = next[byte_of(from_keys[i], place)]++;
            spare_keys[to] = from_keys[i];
            if (from_rows) spare_rows[to] = from_rows[i];
        }
        *keys = spare_keys;
        spare_keys = from_keys;
        if (rows) {
            *rows = spare_rows;
            spare_rows = from_rows;
        }
    }
}

int fgm_sort(double *values, int64_t n) {
    size_t size = (size_t)n;
    if (n < 2) return FGM_OK;
    uint64_t *memory = malloc(2 * size * sizeof *memory + N_BYTES * BUCKETS * sizeof(int64_t));
    if (!memory) return FGM_ERROR_MEMORY;
    uint64_t *keys = memory;
    for (int64_t i = 0; i < n; ++i) keys[i] = key_of(values[i]);
    sort_keys(&keys, memory + size, NULL, NULL, n, (int64_t *)(memory + 2 * size));
    for (int64_t i = 0; i < n; ++i) values[i] = value_of(keys[i]);
    free(memory);
    return FGM_OK;
}

int fgm_rank(const double *values, int64_t n, uint32_t *ranks) {
    size_t size = (size_t)n;
    uint64_t *memory = malloc(2 * size * sizeof *memory + N_BYTES * BUCKETS * sizeof(int64_t));
    uint32_t *spare = malloc(size * sizeof *spare);
    if (!memory || !spare) {
        free(memory);
        free(spare);
        return FGM_ERROR_MEMORY;
    }
    uint64_t *keys = memory;
    uint32_t *rows = ranks;
    for (int64_t i = 0; i < n; ++i) {
        keys[i] = key_of(values[i]);
        rows[i] = (uint32_t)i;
    }
    sort_keys(&keys, memory + size, &rows, spare, n, (int64_t *)(memory + 2 * size));
    if (rows != ranks) memcpy(ranks, rows, size * sizeof *ranks);
    free(memory);
    free(spare);
    return FGM_OK;
}
