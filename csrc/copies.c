/* Rows that are copies of others.
 *
 * On both sides of a fold copies look like dependence, and drawn one by one each looks like an observation. So where nobody says which rows belong
 * together, copies do. Equal rows need not be copies, since rounded ones meet by chance: two columns at least must be fine, that is, take nearly as
 * many values as there are different rows; or the numbers of times that rows occur have a common divisor, which chance does not give them.
 *
 * Rows are told apart by a hash table of the first row of each kind. Most data have no copies, which a few hundred random rows tell that are looked
 * for among all: of data of which 5% are copies, they miss it once in 500,000 times.
 */
#include "core.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

#define SHARE 0.05       /* of the rows: fewer copies do no harm */
#define FINE 0.9         /* values of a column for each different row */
#define N_FINE 2
#define FEW_VALUES 20    /* different rows: then columns look discrete */
#define PROBES 256
#define PROBE_PLACES 2048
#define BLOCK 256 /* rows */
#define NOBODY UINT32_MAX

static uint64_t bits_of(double value) {
    uint64_t bits;
    value += 0.0; /* both zeros are one */
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static int64_t stride_of(const fgm_variable *variable) { return variable->stride ? variable->stride : variable->d; }

static const double *row_values(const fgm_variable *variable, int64_t row) {
    return variable->d ? variable->values + row * stride_of(variable) : NULL;
}

/* Good enough for a table: high bits come down for the low ones. */
static uint64_t add_to_hash(uint64_t hash, uint64_t bits) {
    hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* Of rows first .. first + count - 1, column by column. */
static void hash_rows(const fgm_variable *variables, int n_variables, int64_t first, int count, uint64_t *hashes /* (count) */) {
    memset(hashes, 0, (size_t)count * sizeof *hashes);
    for (int v = 0; v < n_variables; ++v) {
        int64_t stride = stride_of(&variables[v]);
        for (int j = 0; j < variables[v].d; ++j) {
            const double *column = variables[v].values + first * stride + j;
            for (int i = 0; i < count; ++i) hashes[i] = add_to_hash(hashes[i], bits_of(column[i * stride]));
        }
        for (int i = 0; variables[v].labels && i < count; ++i) hashes[i] = add_to_hash(hashes[i], (uint64_t)variables[v].labels[first + i]);
    }
}

static bool are_equal(const fgm_variable *variables, int n_variables, int64_t row, int64_t other) {
    for (int v = 0; v < n_variables; ++v) {
        const double *a = row_values(&variables[v], row), *b = row_values(&variables[v], other);
        if (variables[v].labels && variables[v].labels[row] != variables[v].labels[other]) return false;
        for (int j = 0; j < variables[v].d; ++j) {
            if (bits_of(a[j]) != bits_of(b[j])) return false;
        }
    }
    return true;
}

/* Whether any row out of a few has an equal among all: then there may be copies. */
static bool may_have_copies(const fgm_variable *variables, int n_variables, int64_t n) {
    uint64_t places[PROBE_PLACES] = {0}, hashes[BLOCK];
    int64_t n_probes = n < PROBES ? n : PROBES, width = n / n_probes, n_different = 0, n_found = 0;
    for (int64_t i = 0; i < n_probes; ++i) {
        int64_t row = i * width + (int64_t)((fgm_random_bits(0, (uint64_t)i) >> 32) * (uint64_t)width >> 32); /* one of every so many */
        hash_rows(variables, n_variables, row, 1, hashes);
        uint64_t hash = hashes[0] | 1, place = hash / 2 % PROBE_PLACES; /* 0: free */
        while (places[place] && places[place] != hash) place = (place + 1) % PROBE_PLACES;
        n_different += !places[place];
        places[place] = hash;
    }
    for (int64_t first = 0; first < n && n_found <= n_different; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        hash_rows(variables, n_variables, first, count, hashes);
        for (int i = 0; i < count; ++i) {
            uint64_t hash = hashes[i] | 1, place = hash / 2 % PROBE_PLACES;
            while (places[place] && places[place] != hash) place = (place + 1) % PROBE_PLACES;
            n_found += places[place] != 0;
        }
    }
    return n_found > n_different;
}

/* The first row that is like each, and how many different ones there are. */
static int64_t find_first(const fgm_variable *variables, int n_variables, int64_t n, uint32_t *table, uint64_t mask,
                          int32_t *first /* (n) or NULL */) {
    int64_t n_different = 0;
    uint64_t hashes[BLOCK];
    memset(table, 0xff, (size_t)(mask + 1) * sizeof *table); /* NOBODY */
    for (int64_t i = 0; i < n; ++i) {
        if (i % BLOCK == 0) hash_rows(variables, n_variables, i, n - i < BLOCK ? (int)(n - i) : BLOCK, hashes);
        uint64_t place = hashes[i % BLOCK] & mask;
        while (table[place] != NOBODY && !are_equal(variables, n_variables, i, table[place])) place = (place + 1) & mask;
        if (table[place] == NOBODY) {
            table[place] = (uint32_t)i;
            ++n_different;
        }
        if (first) first[i] = (int32_t)table[place];
    }
    return n_different;
}

/* Whether enough columns tell rows apart. */
static bool are_fine(const fgm_variable *variables, int n_variables, int64_t n, int64_t n_different, uint32_t *table, uint64_t mask) {
    int n_fine = 0;
    for (int v = 0; v < n_variables; ++v) {
        for (int j = 0; j < variables[v].d && n_fine < N_FINE; ++j) {
            fgm_variable column = {.values = variables[v].values + j, .d = 1, .stride = stride_of(&variables[v])};
            n_fine += (double)find_first(&column, 1, n, table, mask, NULL) >= FINE * (double)n_different;
        }
    }
    return n_fine == N_FINE;
}

/* Whether all rows were repeated: the numbers of times that they occur have a common divisor. */
static bool are_repeated(const int32_t *first /* (n) */, int64_t n, uint32_t *counts /* (n) */) {
    uint32_t divisor = 0;
    memset(counts, 0, (size_t)n * sizeof *counts);
    for (int64_t i = 0; i < n; ++i) ++counts[first[i]];
    for (int64_t i = 0; i < n && divisor != 1; ++i) {
        for (uint32_t rest = counts[i]; rest != 0;) { /* Euclid */
            uint32_t next = divisor % rest;
            divisor = rest;
            rest = next;
        }
    }
    return divisor > 1;
}

int fgm_copies(const fgm_variable *variables, int32_t n_variables, int64_t n, int32_t *groups, int64_t *n_copies) {
    int64_t n_columns = 0;
    uint64_t mask = 1;
    *n_copies = 0;
    for (int v = 0; v < n_variables; ++v) n_columns += variables[v].d;
    if (n_columns == 0 || n < 2 || n > INT32_MAX || !may_have_copies(variables, n_variables, n)) return FGM_OK;
    while (mask < 2 * (uint64_t)n) mask = 2 * mask + 1;
    uint32_t *table = malloc((size_t)(mask + 1) * sizeof *table);
    if (!table) return FGM_ERROR_MEMORY;
    int64_t n_different = find_first(variables, n_variables, n, table, mask, groups), n_equal = n - n_different;
    bool are_many = n_different > FEW_VALUES && (double)n_equal >= SHARE * (double)n;
    if (are_many && (are_repeated(groups, n, table) || are_fine(variables, n_variables, n, n_different, table, mask))) *n_copies = n_equal;
    free(table);
    return FGM_OK;
}
