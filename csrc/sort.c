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

/* Keys are in their own memory or in the spare one. */
typedef struct table {
    double *keys, *spare;
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
    double *from = all->keys;
    for (int64_t i = 0; i < all->n; ++i) {
        uint64_t key = key_at(from + i);
        put_key(key, all->spare + next[byte_of(key, place)]++);
    }
    all->keys = all->spare;
    all->spare = from;
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
static bool insert(const table *all) {
    int64_t moves = all->n;
    for (int64_t i = 1; i < all->n && moves > 0; ++i) {
        uint64_t key = key_at(all->keys + i);
        int64_t to = i;
        for (; to > 0 && key_at(all->keys + to - 1) > key && moves > 0; --to, --moves) put_key(key_at(all->keys + to - 1), all->keys + to);
        put_key(key, all->keys + to);
    }
    return moves > 0;
}

/* The upper half of a key tells most apart. */
void fgm_sort(double *values, double *spare, int64_t n) {
    table all = {.keys = values, .spare = spare, .n = n};
    for (int64_t i = 0; i < n; ++i) put_key_of(values[i], values + i);
    if (n > 1) sort_by_bytes(&all, N_BYTES / 2);
    if (n > 1 && !insert(&all)) sort_by_bytes(&all, 0);
    for (int64_t i = 0; i < n; ++i) values[i] = value_of(key_at(all.keys + i));
}

/* ---- ranks ------------------------------------------------------------------------------------------------------------------------------ */

#define DIGITS 3 /* of half a key */
#define DIGIT_BITS 11

/* Half of a key, which is sorted by, and a row. */
static uint64_t pair_of(uint64_t half, uint32_t row) { return half << 32 | row; }
static int digit_of(uint64_t pair, int place) { return (int)(pair >> (32 + DIGIT_BITS * place) & ((1 << DIGIT_BITS) - 1)); }

static void sort_by_digit(uint64_t *pairs, uint64_t *sorted, int64_t n, int place, uint32_t *next /* (1 << DIGIT_BITS): counts */) {
    uint32_t sum = 0;
    for (int digit = 0; digit < 1 << DIGIT_BITS; ++digit) {
        uint32_t count = next[digit];
        next[digit] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < n; ++i) sorted[next[digit_of(pairs[i], place)]++] = pairs[i];
}

/* Pairs by their halves; those of equal ones keep their order. */
static void sort_pairs(uint64_t **pairs /* (n) */, uint64_t **spare /* (n) */, int64_t n) {
    uint32_t counts[DIGITS][1 << DIGIT_BITS];
    memset(counts, 0, sizeof counts);
    for (int64_t i = 0; i < n; ++i) {
        for (int place = 0; place < DIGITS; ++place) ++counts[place][digit_of((*pairs)[i], place)];
    }
    for (int place = 0; place < DIGITS; ++place) {
        if (n == 0 || counts[place][digit_of((*pairs)[0], place)] == n) continue; /* the same in all */
        uint64_t *from = *pairs;
        sort_by_digit(from, *spare, n, place, counts[place]);
        *pairs = *spare;
        *spare = from;
    }
}

static uint64_t key_of_row(const double *values, uint64_t pair) {
    double key;
    put_key_of(values[(uint32_t)pair], &key);
    return key_at(&key);
}

/* Sorts pairs of equal halves by their whole keys, if none has far to go in all. */
static bool insert_pairs(const double *values, uint64_t *pairs /* (n) */, int64_t n) {
    int64_t moves = n;
    for (int64_t i = 1; i < n && moves > 0; ++i) {
        uint64_t pair = pairs[i];
        if (pairs[i - 1] >> 32 != pair >> 32) continue;
        uint64_t key = key_of_row(values, pair);
        int64_t to = i;
        for (; to > 0 && pairs[to - 1] >> 32 == pair >> 32 && key_of_row(values, pairs[to - 1]) > key && moves > 0; --to, --moves) {
            pairs[to] = pairs[to - 1];
        }
        pairs[to] = pair;
    }
    return moves > 0;
}

int fgm_rank(const double *values, int64_t n, uint32_t *ranks) {
    uint64_t *memory = malloc(2 * (size_t)n * sizeof *memory), *pairs = memory, *spare = memory + n;
    if (!memory) return FGM_ERROR_MEMORY;
    for (int64_t i = 0; i < n; ++i) pairs[i] = pair_of(key_of_row(values, (uint64_t)i) >> 32, (uint32_t)i);
    sort_pairs(&pairs, &spare, n);
    if (!insert_pairs(values, pairs, n)) { /* by the lower halves first, then by the upper ones */
        for (int64_t i = 0; i < n; ++i) pairs[i] = pair_of(key_of_row(values, (uint64_t)i) & UINT32_MAX, (uint32_t)i);
        sort_pairs(&pairs, &spare, n);
        for (int64_t i = 0; i < n; ++i) pairs[i] = pair_of(key_of_row(values, pairs[i]) >> 32, (uint32_t)pairs[i]);
        sort_pairs(&pairs, &spare, n);
    }
    for (int64_t i = 0; i < n; ++i) ranks[i] = (uint32_t)pairs[i];
    free(memory);
    return FGM_OK;
}
