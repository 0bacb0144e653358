/* Sorting numbers by their bits: least significant byte first, so that equal values keep their order. Where the upper bytes
 * have told nearly all apart, the others need not be looked at. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define N_BYTES 8 /* of a key */
#define BUCKETS 256

/* Keys are unsigned integers in the order of the doubles that they stand in the place of; both zeros are one. */
static uint64_t key_at(const double *place) {
    uint64_t key;
    memcpy(&key, place, sizeof key);
    return key;
}

static void put_key(uint64_t key, double *place) { memcpy(place, &key, sizeof key); }

static void put_key_of(double value, double *place) {
    value += 0.0;
    uint64_t bits = key_at(&value);
    put_key(bits >> 63 ? ~bits : bits | UINT64_C(1) << 63, place);
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
    double *keys, *spare_keys;
    uint32_t *rows, *spare_rows;
    int64_t n;
} table;

static void sort_by_byte(table *all, int place, int64_t *next /* (BUCKETS): counts */) {
    int64_t sum = 0;
    if (next[byte_of(key_at(all->keys), place)] == all->n) return; /* the same in all */
    for (int bucket = 0; bucket < BUCKETS; ++bucket) {
        int64_t count = next[bucket];
        next[bucket] = sum;
        sum += count;
    }
    double *from_keys = all->keys;
    uint32_t *from_rows = all->rows;
    for (int64_t i = 0; i < all->n; ++i) {
        uint64_t key = key_at(from_keys + i);
        int64_t to = next[byte_of(key, place)]++;
        put_key(key, all->spare_keys + to);
        if (from_rows) all->spare_rows[to] = from_rows[i];
    }
    all->keys = all->spare_keys;
    all->spare_keys = from_keys;
    all->rows = all->spare_rows;
    all->spare_rows = from_rows;
}

static void sort_by_bytes(table *all, int first) {
    int64_t counts[N_BYTES * BUCKETS] = {0};
    for (int64_t i = 0; i < all->n; ++i) {
        uint64_t key = key_at(all->keys + i);
        for (int place = first; place < N_BYTES; ++place) ++counts[place * BUCKETS + byte_of(key, place)];
    }
    for (int place = first; place < N_BYTES; ++place) sort_by_byte(all, place, counts + place * BUCKETS);
}

/* Moves each key to its place among those before it, if that is not far in all. */
static bool insert(table *all) {
    int64_t moves = all->n;
    for (int64_t i = 1; i < all->n && moves > 0; ++i) {
        uint64_t key = key_at(all->keys + i);
        uint32_t row = all->rows ? all->rows[i] : 0;
        int64_t to = i;
        for (; to > 0 && key_at(all->keys + to - 1) > key && moves > 0; --to, --moves) {
            put_key(key_at(all->keys + to - 1), all->keys + to);
            if (all->rows) all->rows[to] = all->rows[to - 1];
        }
        put_key(key, all->keys + to);
        if (all->rows) all->rows[to] = row;
    }
    return moves > 0;
}

/* The upper half of a key tells most apart. Equal keys keep their order, either way. */
static void sort_table(table *all) {
    if (all->n < 2) return;
    sort_by_bytes(all, N_BYTES / 2);
    if (!insert(all)) sort_by_bytes(all, 0);
}

void fgm_sort(double *values, double *spare, int64_t n) {
    table all = {.keys = values, .spare_keys = spare, .n = n};
    for (int64_t i = 0; i < n; ++i) put_key_of(values[i], values + i);
    sort_table(&all);
    for (int64_t i = 0; i < n; ++i) values[i] = value_of(key_at(all.keys + i));
}

int fgm_rank(const double *values, int64_t n, uint32_t *ranks) {
    size_t size = (size_t)n;
    double *keys = malloc(2 * size * sizeof *keys);
    uint32_t *spare = malloc(size * sizeof *spare);
    if (keys && spare) {
        table all = {.keys = keys, .spare_keys = keys + size, .rows = ranks, .spare_rows = spare, .n = n};
        for (int64_t i = 0; i < n; ++i) {
            put_key_of(values[i], keys + i);
            ranks[i] = (uint32_t)i;
        }
        sort_table(&all);
        if (all.rows != ranks) memcpy(ranks, all.rows, size * sizeof *ranks);
    }
    int status = keys && spare ? FGM_OK : FGM_ERROR_MEMORY;
    free(keys);
    free(spare);
    return status;
}
