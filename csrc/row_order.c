/* Where rows stand. Folds are runs of rows, so rows are shuffled first: by what is in them, so that the order in which they came counts for nothing.
 *
 * A row's key is made of its ranks in the columns, from the middle of each: the same for shifted, scaled and monotonously mapped columns. Which way
 * up a column is, and which of the columns it is, is read off the rows: by the sum of its ranks times first keys that know neither. So the same rows
 * stand in the same places if columns are turned or exchanged, unless the data are symmetric themselves. What a replicate of the bootstrap draws goes
 * by a row's number in the data, so that jobs on the same rows draw the same ones, whatever their columns are: then replicates can be compared.
 *
 * Many rows would take too much memory, and which of them share a fold counts for little: they are shuffled as they come, or scattered.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCATTERED_ROWS 4000000 /* from which on a list of places would be a burden: 4 bytes a row */
#define FEISTEL_ROUNDS 6

static bool are_paired(const fgm_data *data) { return data->quantity == FGM_QUANTITY_PAIRED_DIVERGENCE; }

/* ---- keys ------------------------------------------------------------------------------------------------------------------------------ */

/* Columns of numbers, and the weights, of the rows of positive weight. */
typedef struct columns_to_rank {
    const fgm_data *data;
    int64_t n;
    const double *columns[FGM_MAX_DIMENSION + 1];
    int64_t strides[FGM_MAX_DIMENSION + 1];
    int n_columns;
    uint32_t *ranks;  /* (n_columns, n): rows of each column from the smallest value up */
    int32_t *centred; /* (n_columns, n): ranks from the middle, twice the mean rank of all equal values, less n - 1 */
} columns_to_rank;

static int rank_column(void *task_data, int64_t j, int is_caller) {
    const columns_to_rank *all = task_data;
    int64_t n = all->n, taken = 0;
    uint32_t *ranks = all->ranks + j * n;
    double *values = fgm_allocate((size_t)n);
    (void)is_caller; /* there is nothing to report: it takes no longer than a pass or two */
    if (!values) return FGM_ERROR_MEMORY;
    for (int64_t i = 0; i < all->data->n; ++i) {
        if (fgm_weight_of(all->data->sample_weight, i) > 0.0) values[taken++] = all->columns[j][i * all->strides[j]];
    }
    int status = fgm_rank(values, n, ranks);
    for (int64_t first = 0, last; status == FGM_OK && first < n; first = last) {
        for (last = first + 1; last < n && values[ranks[last]] == values[ranks[first]]; ++last) {
        }
        for (int64_t i = first; i < last; ++i) all->centred[j * n + ranks[i]] = (int32_t)(first + last - n);
    }
    fgm_release(values);
    return status;
}

static int rank_columns(const fgm_data *data, const fgm_options *options, int64_t n, columns_to_rank *all) {
    const fgm_variable weights = {.values = data->sample_weight, .d = data->sample_weight ? 1 : 0};
    const fgm_variable variables[4] = {data->x, data->y, data->given, weights};
    *all = (columns_to_rank){.data = data, .n = n};
    for (int v = 0; v < 4; ++v) {
        for (int j = 0; j < variables[v].d; ++j) {
            all->columns[all->n_columns] = variables[v].values + j;
            all->strides[all->n_columns++] = variables[v].stride ? variables[v].stride : variables[v].d;
        }
    }
    size_t size = (size_t)n * (size_t)(all->n_columns + 1); /* never nothing */
    all->ranks = malloc(size * sizeof *all->ranks);
    all->centred = malloc(size * sizeof *all->centred);
    if (!all->ranks || !all->centred) return FGM_ERROR_MEMORY;
    return fgm_run(options, all->n_columns, FGM_VALUE_WORK * (double)n * all->n_columns, rank_column, all);
}

static void release_columns(columns_to_rank *all) {
    free(all->ranks);
    free(all->centred);
}

/* Sum of a column's ranks times first keys, of which 24 bits are taken: it turns its sign with the column. */
static int64_t find_direction(const int32_t *centred /* (n) */, const uint64_t *keys /* (n) */, int64_t n) {
    int64_t sum = 0; /* below 2^16 rows of 2^17 times 2^24 */
    for (int64_t i = 0; i < n; ++i) sum += centred[i] * (int64_t)(keys[i] >> 40);
    return sum;
}

/* Adds to each row's key what its labels, each a number of its own, have to do with it. */
static void add_labels(const fgm_data *data, uint64_t *keys /* (n) */) {
    const fgm_variable variables[3] = {data->x, data->y, data->given};
    for (int v = 0; v < 3; ++v) {
        for (int64_t i = 0, taken = 0; variables[v].labels && i < data->n; ++i) {
            if (fgm_weight_of(data->sample_weight, i) > 0.0) keys[taken++] += fgm_mix(~(uint64_t)variables[v].labels[i]);
        }
    }
}

/* Weights that are all the same are none. */
static bool is_constant(const columns_to_rank *all, int j) { return all->centred[j * all->n + all->ranks[j * all->n]] == 0; }

/* Keys of rows. They are equal where all values, labels and weights are. */
static void find_keys(const columns_to_rank *all, uint64_t *keys /* (n) */) {
    int64_t n = all->n, directions[FGM_MAX_DIMENSION + 1];
    memset(keys, 0, (size_t)n * sizeof *keys);
    for (int j = 0; j < all->n_columns; ++j) {
        for (int64_t i = 0; !is_constant(all, j) && i < n; ++i) keys[i] += fgm_mix((uint64_t)abs(all->centred[j * n + i]) + 1);
    }
    for (int j = 0; j < all->n_columns; ++j) directions[j] = find_direction(all->centred + j * n, keys, n);
    for (int j = 0; j < all->n_columns; ++j) {
        uint64_t sign = directions[j] < 0 ? UINT64_MAX : 1, n_alike = 0;
        for (int other = 0; other < j; ++other) n_alike += llabs(directions[other]) == llabs(directions[j]);
        uint64_t column = fgm_mix((uint64_t)llabs(directions[j]) + (n_alike << 58));
        for (int64_t i = 0; !is_constant(all, j) && i < n; ++i) keys[i] += fgm_mix(column + sign * (uint64_t)all->centred[j * n + i]);
    }
    add_labels(all->data, keys);
}

static int sort_keys(const uint64_t *keys /* (n) */, int64_t n, uint64_t stream, double *numbers /* (n) */, uint32_t *order /* (n) */) {
    for (int64_t i = 0; i < n; ++i) numbers[i] = fgm_random_uniform(stream, keys[i]);
    return fgm_rank(numbers, n, order);
}

/* Gives equal keys, which stand together in the order, new ones: what is equal must not share a fold more often than chance has it. */
static bool part_equal(uint64_t *keys /* (n) */, int64_t n, const uint32_t *order /* (n) */) {
    bool any = false;
    uint64_t key = 0, n_before = 0;
    for (int64_t i = 0; i < n; ++i) {
        n_before = i > 0 && keys[order[i]] == key ? n_before + 1 : 0;
        key = keys[order[i]];
        if (n_before == 0) continue;
        keys[order[i]] = fgm_mix(key + n_before);
        any = true;
    }
    return any;
}

/* Lists what has these keys in a random order that goes by them. Equal ones are parted, in place, where that is asked for. */
static int list_by_keys(uint64_t *keys /* (n) */, int64_t n, uint64_t stream, bool are_parted, uint32_t *order /* (n) */) {
    double *numbers = fgm_allocate((size_t)n);
    int status = numbers ? sort_keys(keys, n, stream, numbers, order) : FGM_ERROR_MEMORY;
    if (status == FGM_OK && are_parted && part_equal(keys, n, order)) status = sort_keys(keys, n, stream, numbers, order);
    fgm_release(numbers);
    return status;
}

/* ---- as they came ---------------------------------------------------------------------------------------------------------------------- */

/* A random permutation. */
static uint32_t *shuffle(int64_t n, uint64_t seed) {
    uint32_t *places = malloc((size_t)n * sizeof *places);
    if (!places) return NULL;
    uint64_t key = fgm_stream(seed, FGM_STREAM_FOLDS, UINT64_MAX);
    for (int64_t i = 0; i < n; ++i) {
        int64_t other = (int64_t)(fgm_random_uniform(key, (uint64_t)i) * (double)(i + 1));
        places[i] = places[other];
        places[other] = (uint32_t)i;
    }
    return places;
}

uint32_t fgm_scattered_place(uint64_t key, int64_t n, uint32_t row) {
    int bits = 1;
    while (bits < 32 && n > INT64_C(1) << bits) ++bits;
    int low_bits = bits / 2, high_bits = bits - low_bits;
    uint32_t low_mask = (1u << low_bits) - 1, high_mask = (1u << high_bits) - 1;
    do {
        uint32_t low = row & low_mask, high = row >> low_bits;
        for (uint64_t round = 0; round < FEISTEL_ROUNDS; round += 2) {
            low ^= (uint32_t)fgm_random_bits(key, round << 32 | high) & low_mask;
            high ^= (uint32_t)fgm_random_bits(key, (round + 1) << 32 | low) & high_mask;
        }
        row = high << low_bits | low;
    } while (row >= n);
    return row;
}

/* ---- groups and classes ---------------------------------------------------------------------------------------------------------------- */

/* Groups of the rows of positive weight, numbered from 0 in random order. */
static int read_groups(const fgm_data *data, int64_t n_rows, uint64_t seed, uint32_t *group_of /* (n_rows) */, uint32_t *n_groups) {
    uint32_t *order = shuffle(data->n, seed), *numbers = calloc((size_t)data->n, sizeof *numbers);
    int64_t taken = 0;
    int status = order && numbers ? FGM_OK : FGM_ERROR_MEMORY;
    *n_groups = 0;
    for (int64_t i = 0; status == FGM_OK && i < data->n; ++i) {
        if (data->groups[i] < 0 || data->groups[i] >= data->n) {
            status = FGM_ERROR_GROUPS;
        } else if (fgm_weight_of(data->sample_weight, i) > 0.0) {
            group_of[taken] = order[data->groups[i]];
            numbers[group_of[taken++]] = 1;
        }
    }
    for (int64_t i = 0; status == FGM_OK && i < data->n; ++i) {
        if (numbers[i]) numbers[i] = (*n_groups)++;
    }
    for (int64_t i = 0; status == FGM_OK && i < n_rows; ++i) group_of[i] = numbers[group_of[i]];
    for (int64_t i = 0; status == FGM_OK && are_paired(data) && i < n_rows / 2; ++i) {
        if (group_of[i] != group_of[i + n_rows / 2]) status = FGM_ERROR_GROUPS;
    }
    free(order);
    free(numbers);
    return status == FGM_OK && *n_groups < 2 ? FGM_ERROR_FEW_GROUPS : status;
}

/* Where each group stands: by the sum of its rows' keys. */
static int place_groups(const uint32_t *group_of /* (n) */, const uint64_t *keys /* (n) */, int64_t n, uint32_t n_groups, uint64_t stream,
                        uint32_t *places /* (n_groups) */) {
    uint64_t *sums = calloc(n_groups, sizeof *sums);
    uint32_t *order = malloc(n_groups * sizeof *order);
    int status = sums && order ? FGM_OK : FGM_ERROR_MEMORY;
    for (int64_t i = 0; status == FGM_OK && i < n; ++i) sums[group_of[i]] += fgm_mix(keys[i]);
    if (status == FGM_OK) status = list_by_keys(sums, n_groups, stream, true, order);
    for (uint32_t i = 0; status == FGM_OK && i < n_groups; ++i) places[order[i]] = i;
    free(sums);
    free(order);
    return status;
}

/* Sorts rows by their kinds, those of one kind in the order that they had, by counting. */
static int sort_by_kind(const uint32_t *kind_of /* of each row */, int64_t n_kinds, int64_t n, uint32_t *order /* (n) */) {
    int64_t *next = calloc((size_t)n_kinds + 1, sizeof *next);
    uint32_t *rows = malloc((size_t)n * sizeof *rows);
    if (next && rows) {
        memcpy(rows, order, (size_t)n * sizeof *rows);
        for (int64_t i = 0; i < n; ++i) ++next[kind_of[i] + 1];
        for (int64_t kind = 0; kind < n_kinds; ++kind) next[kind + 1] += next[kind];
        for (int64_t i = 0; i < n; ++i) order[next[kind_of[rows[i]]]++] = rows[i];
    }
    bool allocated = next && rows;
    free(next);
    free(rows);
    return allocated ? FGM_OK : FGM_ERROR_MEMORY;
}

/* ---- rows in their places -------------------------------------------------------------------------------------------------------------- */

/* What a place in the prepared data is for: a row, or both rows of a pair. */
typedef struct rows_to_place {
    const fgm_data *data;
    const fgm_options *options;
    int64_t n, n_places; /* n: rows of positive weight */
    uint64_t seed;
    const uint32_t *group_of; /* (n), or NULL */
    uint32_t n_groups;
} rows_to_place;

/* Lists rows, or pairs, by what is in them: those of a group together. */
static int list_by_contents(const rows_to_place *all, const columns_to_rank *columns, uint32_t *order /* (n_places) */) {
    uint64_t stream = fgm_stream(all->seed, FGM_STREAM_FOLDS, UINT64_MAX), *keys = malloc((size_t)all->n * sizeof *keys);
    uint32_t *places = all->group_of ? malloc((size_t)all->n_groups * sizeof *places) : NULL;
    uint32_t *place_of = all->group_of ? malloc((size_t)all->n_places * sizeof *place_of) : NULL;
    int status = keys && (!all->group_of || (places && place_of)) ? FGM_OK : FGM_ERROR_MEMORY;
    if (status == FGM_OK) find_keys(columns, keys);
    for (int64_t i = all->n_places; status == FGM_OK && i < all->n; ++i) keys[i - all->n_places] += fgm_mix(keys[i]);
    if (status == FGM_OK) status = list_by_keys(keys, all->n_places, stream, !all->group_of, order);
    if (status == FGM_OK && all->group_of) {
        status = place_groups(all->group_of, keys, all->n_places, all->n_groups, stream, places);
        for (int64_t i = 0; status == FGM_OK && i < all->n_places; ++i) place_of[i] = places[all->group_of[i]];
        if (status == FGM_OK) status = sort_by_kind(place_of, all->n_groups, all->n_places, order);
    }
    free(keys);
    free(places);
    free(place_of);
    return status;
}

/* Lists rows, or pairs, in a random order, those of a group together. numbers are their places before that. */
static int list_as_they_came(const rows_to_place *all, const uint32_t *numbers /* (n_places) */, uint32_t *order /* (n_places) */) {
    for (int64_t i = 0; i < all->n_places; ++i) order[numbers[i]] = (uint32_t)i;
    return all->group_of ? sort_by_kind(all->group_of, all->n_groups, all->n_places, order) : FGM_OK;
}

static int compare_places(const void *left, const void *right) {
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The ranks of columns, now by the places of their rows; equal values in the order of these. */
static void rank_places(columns_to_rank *columns, const uint32_t *places /* (n) */) {
    for (int j = 0; j < columns->n_columns; ++j) {
        uint32_t *ranks = columns->ranks + j * columns->n;
        const int32_t *centred = columns->centred + j * columns->n;
        for (int64_t first = 0, last; first < columns->n; first = last) {
            int32_t middle = centred[ranks[first]];
            for (last = first; last < columns->n && centred[ranks[last]] == middle; ++last) ranks[last] = places[ranks[last]];
            if (last - first > 1) qsort(ranks + first, (size_t)(last - first), sizeof *ranks, compare_places);
        }
    }
}

/* Where each row goes, those of a class together; and which of a replicate's weights is that of the row in each place. */
static int place_rows(fgm_prepared *prepared, const rows_to_place *all, const columns_to_rank *columns /* NULL: as they came */,
                      const int32_t *class_of /* (n) */, uint32_t *places /* (n) */) {
    int64_t n = all->n, m = all->n_places;
    uint32_t *numbers = columns ? NULL : shuffle(m, all->seed), *order = malloc((size_t)n * sizeof *order);
    prepared->draws = malloc((size_t)n * sizeof *prepared->draws);
    int status = order && prepared->draws && (numbers || columns) ? FGM_OK : FGM_ERROR_MEMORY;
    if (status == FGM_OK) status = columns ? list_by_contents(all, columns, order) : list_as_they_came(all, numbers, order);
    if (status == FGM_OK && m == n && prepared->classes.n > 1) status = sort_by_kind((const uint32_t *)class_of, prepared->classes.n, n, order);
    for (int64_t i = 0; status == FGM_OK && i < n; ++i) {
        if (i >= m) order[i] = order[i - m] + (uint32_t)m; /* the other row of a pair */
        places[order[i]] = (uint32_t)i;
        uint32_t row = order[i < m ? i : i - m];
        prepared->draws[i] = all->group_of ? all->group_of[row] : numbers ? numbers[row] : row;
    }
    free(numbers);
    free(order);
    return status;
}

/* The same for few rows: by what is in them. The ranks of their columns, which are known then, are kept. */
static int place_few_rows(fgm_prepared *prepared, const rows_to_place *all, const int32_t *class_of /* (n) */, uint32_t *places /* (n) */) {
    columns_to_rank columns;
    int status = rank_columns(all->data, all->options, all->n, &columns);
    if (status == FGM_OK) status = place_rows(prepared, all, &columns, class_of, places);
    if (status == FGM_OK) {
        rank_places(&columns, places);
        prepared->ranks = columns.ranks;
        columns.ranks = NULL;
    }
    release_columns(&columns);
    return status;
}

/* Columns of x, y and given, and weights, at their places, NULL: scattered by the key; rows of weight zero are left out. */
static int fill_columns(fgm_prepared *prepared, const fgm_data *data, const uint32_t *places, uint64_t key, fgm_fault *fault) {
    int64_t n = prepared->n, stride = prepared->samples.stride, taken = 0;
    const fgm_variable variables[3] = {data->x, data->y, data->given};
    int64_t strides[3];
    for (int v = 0; v < 3; ++v) strides[v] = variables[v].stride ? variables[v].stride : variables[v].d;
    double *weights = prepared->memory + (int64_t)prepared->d * stride, total = 0.0;
    for (int64_t i = 0; i < data->n; ++i) {
        if (fgm_weight_of(data->sample_weight, i) == 0.0) continue;
        int64_t place = places ? places[taken] : fgm_scattered_place(key, n, (uint32_t)taken);
        ++taken;
        double *to = prepared->memory + place;
        for (int v = 0; v < 3; ++v) {
            for (int j = 0; j < variables[v].d; ++j, to += stride) {
                *to = variables[v].values[i * strides[v] + j];
                if (isfinite(*to)) continue;
                fault->column = (int32_t)((to - prepared->memory) / stride);
                return FGM_ERROR_NOT_FINITE;
            }
        }
        if (data->sample_weight) weights[place] = data->sample_weight[i];
    }
    bool are_alike = true;
    for (int64_t i = 0; data->sample_weight && i < n; ++i) {
        total += weights[i];
        are_alike = are_alike && weights[i] == weights[0];
    }
    if (are_alike) prepared->samples.weights = NULL; /* then they are none */
    for (int64_t i = 0; !are_alike && i < n; ++i) weights[i] /= total / (double)n; /* their mean is one */
    return FGM_OK;
}

int fgm_fill_rows(fgm_prepared *prepared, const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_fault *fault) {
    int64_t n = prepared->n;
    int32_t *class_of = NULL;
    uint32_t *places = NULL, *group_of = NULL;
    rows_to_place all = {.data = data, .options = options, .n = n, .n_places = are_paired(data) ? n / 2 : n, .seed = seed};
    int status = fgm_classes_find(data, n, &class_of, &prepared->classes, fault);
    bool are_few = n < FGM_MANY_ROWS, are_alike = status == FGM_OK && prepared->classes.n == 1 && !data->groups;
    if (status == FGM_OK && data->groups) {
        all.group_of = group_of = malloc((size_t)n * sizeof *group_of);
        status = group_of ? read_groups(data, n, seed, group_of, &all.n_groups) : FGM_ERROR_MEMORY;
    }
    if (status == FGM_OK && !(are_alike && n >= SCATTERED_ROWS)) {
        places = are_alike && !are_few ? shuffle(n, seed) : malloc((size_t)n * sizeof *places);
        if (!places) status = FGM_ERROR_MEMORY;
    }
    if (status == FGM_OK && are_few) {
        status = place_few_rows(prepared, &all, class_of, places);
    } else if (status == FGM_OK && !are_alike) {
        status = place_rows(prepared, &all, NULL, class_of, places);
    }
    if (status == FGM_OK) status = fill_columns(prepared, data, places, fgm_stream(seed, FGM_STREAM_FOLDS, UINT64_MAX - 1), fault);
    free(class_of);
    free(places);
    free(group_of);
    return status;
}

/* ---- some of the rows ------------------------------------------------------------------------------------------------------------------ */

/* A random sample, in the order in which rows came. */
static void take_as_they_came(const fgm_data *data, int64_t n, int64_t n_wanted, uint64_t stream, double *weights /* (data->n) */) {
    int64_t left = n;
    for (int64_t i = 0; i < data->n; ++i) {
        weights[i] = fgm_weight_of(data->sample_weight, i);
        if (weights[i] == 0.0) continue;
        bool taken = fgm_random_uniform(stream, (uint64_t)(n - left)) * (double)left < (double)n_wanted;
        if (!taken) weights[i] = 0.0;
        n_wanted -= taken;
        --left;
    }
}

/* The first of those listed by what is in them. */
static int take_by_contents(const fgm_data *data, const fgm_options *options, int64_t n, int64_t n_wanted, uint64_t stream,
                            double *weights /* (data->n) */) {
    uint32_t *order = malloc((size_t)n * sizeof *order), *places = malloc((size_t)n * sizeof *places);
    uint64_t *keys = malloc((size_t)n * sizeof *keys);
    columns_to_rank columns = {0};
    int status = order && places && keys ? rank_columns(data, options, n, &columns) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) {
        find_keys(&columns, keys);
        status = list_by_keys(keys, n, stream, true, order);
    }
    if (status == FGM_OK) {
        for (int64_t i = 0; i < n; ++i) places[order[i]] = (uint32_t)i;
        for (int64_t i = 0, taken = 0; i < data->n; ++i) {
            weights[i] = fgm_weight_of(data->sample_weight, i);
            if (weights[i] > 0.0 && places[taken++] >= n_wanted) weights[i] = 0.0;
        }
    }
    release_columns(&columns);
    free(order);
    free(places);
    free(keys);
    return status;
}

int64_t fgm_count_present(const fgm_data *data) {
    int64_t n = data->sample_weight ? 0 : data->n;
    for (int64_t i = 0; data->sample_weight && i < data->n; ++i) n += data->sample_weight[i] > 0.0;
    return n;
}

int fgm_thin_out(const fgm_data *data, const fgm_options *options, int64_t n_wanted, uint64_t seed, double *weights) {
    uint64_t stream = fgm_stream(seed, FGM_STREAM_MAP, 0);
    int64_t n = fgm_count_present(data);
    if (n < FGM_MANY_ROWS) return take_by_contents(data, options, n, n_wanted, stream, weights);
    take_as_they_came(data, n, n_wanted, stream, weights);
    return FGM_OK;
}
