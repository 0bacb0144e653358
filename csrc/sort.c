/* Sorting numbers by their bits: least significant byte first, so that equal values keep their order. Where the upper bytes
 * have told nearly all apart, the others need not be looked at. */
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

/* Keys, and rows where they are not NULL; either is in its own memory or in the spare one. */
typedef struct table {
    uint64_t *keys, *spare_keys;
    uint32_t *rows, *spare_rows;
    int64_t n;
    int64_t *counts; /* (N_BYTES, BUCKETS) */
} table;

static void sort_by_byte(table *all, int place, int64_t *next /* (BUCKETS): counts */) {
    int64_t sum = 0;
    if (next[byte_of(all->keys[0], place)] == all->n) return; /* the same in all */
    for (int bucket = 0; bucket < BUCKETS; ++bucket) {
        int64_t count = next[bucket];
        next[bucket] = sum;
        sum += count;
    }
    uint64_t *from_keys = all->keys;
    uint32_t *from_rows = all->rows;
    for (int64_t i = 0; i < all->n; ++i) {
        int64_t to = next[byte_of(from_keys[i], place)]++;
        all->spare_keys[to] = from_keys[i];
        if (from_rows) all->spare_rows[to] = from_rows[i];
    }
    all->keys = all->spare_keys;
    all->spare_keys = from_keys;
    all->rows = all->spare_rows;
    all->spare_rows = from_rows;
}

static void sort_by_bytes(table *all, int first) {
    memset(all->counts, 0, sizeof *all->counts * N_BYTES * BUCKETS);
    for (int64_t i = 0; i < all->n; ++i) {
        for (int place = first; place < N_BYTES; ++place) ++all->counts[place * BUCKETS + byte_of(all->keys[i], place)];
    }
    for (int place = first; place < N_BYTES; ++place) sort_by_byte(all, place, all->counts + place * BUCKETS);
}

/* Moves each key to its place among those before it, if that is not far in all. */
static bool insert(table *all) {
    int64_t moves = all->n;
    for (int64_t i = 1; i < all->n && moves > 0; ++i) {
        uint64_t key = all->keys[i];
        uint32_t row = all->rows ? all->rows[i] : 0;
        int64_t to = i;
        for (; to > 0 && all->keys[to - 1] > key && moves > 0; --to, --moves) {
            all->keys[to] = all->keys[to - 1];
            if (all->rows) all->rows[to] = all->rows[to - 1];
        }
        all->keys[to] = key;
        if (all->rows) all->rows[to] = row;
    }
    return moves > 0;
}

/* The upper half of a key tells most apart. Equal keys keep their order, either way. */
static void sort_table(table *all) {
    sort_by_bytes(all, N_BYTES / 2);
    if (!insert(all)) sort_by_bytes(all, 0);
}

int fgm_sort(double *values, int64_t n) {
    size_t size = (size_t)n;
    if (n < 2) return FGM_OK;
    uint64_t *memory = malloc(2 * size * sizeof *memory + N_BYTES * BUCKETS * sizeof(int64_t));
    if (!memory) return FGM_ERROR_MEMORY;
    table all = {.keys = memory, .spare_keys = memory + size, .n = n, .counts = (int64_t *)(memory + 2 * size)};
    for (int64_t i = 0; i < n; ++i) all.keys[i] = key_of(values[i]);
    sort_table(&all);
    for (int64_t i = 0; i < n; ++i) values[i] = value_of(all.keys[i]);
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
    table all = {.keys = memory, .spare_keys = memory + size, .rows = ranks, .spare_rows = spare, .n = n, .counts = (int64_t *)(memory + 2 * size)};
    for (int64_t i = 0; i < n; ++i) {
        all.keys[i] = key_of(values[i]);
        all.rows[i] = (uint32_t)i;
    }
    sort_table(&all);
    if (all.rows != ranks) memcpy(ranks, all.rows, size * sizeof *ranks);
    free(memory);
    free(spare);
    return FGM_OK;
}
