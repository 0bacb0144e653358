/* Cross-fitting: each row under fits to the folds that do not hold it, which start from the fit to all rows.
 *
 * The mean over rows of the log ratio T is an integral over the data themselves: where no mixture of few components fits, it does not take the
 * mixture for the truth. Under the fit to all rows it is too large, by as much as it is too small under fits that have not seen the row, but for the
 * size of their samples: with k folds the excess of the one is (k - 1) / k of the lack of the other, so that (k within + (k - 1) across) / (2k - 1)
 * has no bias of first order (in theory, White 1982: both are half the trace of J H^-1 over n for each density).
 *
 * The same fits tell which map of the columns describes the dependence of x and y better. Means of T do not, since bad marginal densities raise them;
 * how well T tells a pair from M pairs that do not belong together does: under any map, E[log 1 / (1 + M exp -T)] + M E'[log 1 / (1 + exp T / M)],
 * E' over such pairs, is largest for the true log ratio (a proper score; noise-contrastive estimation, Gutmann and Hyvarinen 2010). It grows
 * with T as T does, where the bound E[T] - log E'[exp T] (Donsker and Varadhan 1983) hangs on a few pairs. With labels on one side T is
 * log P(label | number) - log P(label) with probabilities that add up to 1, and its mean is a bound of the information by itself (Barber and
 * Agakov 2003).
 */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOLDS 64
#define SHIFTS 5 /* of y against x, either way */
#define SHARPENED 2.0 /* differences in odds: an observed one scatters by its error too, so that odds of what is nearly clear would be too large */
#define RANKED_ROWS 20000 /* of which a thousandth of a nat can be told */
#define MISMATCHED (2.0 * SHIFTS) /* pairs from which each pair is told */

typedef struct cross_fit {
    const fgm_prepared *prepared;
    const fgm_model *whole;
    fgm_curvature *curvatures; /* (n_classes): at its mixtures, which saves passes */
    double weight[MAX_FOLDS], sum[MAX_FOLDS]; /* of rows left out */
    double *scores; /* (n) of rows, or NULL */
    bool are_told, are_ranked; /* these are of pairs from different rows too: see add_mismatched, rank_pairs */
} cross_fit;

/* Rows of both parts as one run. */
static int gather(const fgm_training *training, fgm_samples *rows, double **memory) {
    int d = training->parts[0].d;
    int64_t n = training->parts[0].n + training->parts[1].n, place = 0;
    *memory = fgm_allocate((size_t)n * (size_t)(d + 1) + 1);
    if (!*memory) return FGM_ERROR_MEMORY;
    double *weights = *memory + n * d;
    for (int part = 0; part < 2; ++part) {
        fgm_samples from = training->parts[part];
        for (int64_t i = 0; i < from.n; ++i, ++place) {
            for (int j = 0; j < d; ++j) (*memory)[j * n + place] = from.columns[j * from.stride + i];
            weights[place] = from.weights ? from.weights[i] : 1.0;
        }
    }
    *rows = (fgm_samples){n, n, d, *memory, weights, NULL};
    return FGM_OK;
}

static int fit_small(const fgm_prepared *prepared, const fgm_training *training, const double *within, fgm_mixture *mixture) {
    fgm_samples rows;
    double *memory;
    FGM_TRY(gather(training, &rows, &memory));
    int status = fgm_small_class_mixture(mixture, rows, within, prepared->settings.floor);
    fgm_release(memory);
    return status;
}

static int fit_student(const fgm_prepared *prepared, const fgm_training *training, fgm_mixture *mixture) {
    fgm_samples rows;
    fgm_student student = {0};
    double *memory;
    FGM_TRY(gather(training, &rows, &memory));
    int status = fgm_student_fit_dispersion(rows, &prepared->student, &student);
    if (status == FGM_OK) status = fgm_student_mixture(&student, prepared->settings.options->max_components, mixture);
    fgm_student_release(&student);
    fgm_release(memory);
    return status;
}

/* One class without the rows first .. last-1 of it. */
static int fit_class_without(const cross_fit *state, int class, int64_t first, int64_t last, const double *within, fgm_monitor *monitor,
                             fgm_mixture *mixture) {
    const fgm_prepared *prepared = state->prepared;
    const fgm_mixture *whole = &state->whole->mixtures[class];
    fgm_training training = fgm_training_without(fgm_class_rows(prepared, class), first, last);
    bool fits = training.parts[0].n + training.parts[1].n >= prepared->d + 2;
    if (fits && prepared->student.freedom > 0.0) return fit_student(prepared, &training, mixture);
    if (fits && fgm_is_small_class(prepared, class)) return fit_small(prepared, &training, within, mixture);
    FGM_TRY(fgm_mixture_allocate(mixture, whole->n_components, prepared->d));
    fgm_mixture_copy(mixture, whole);
    if (!fits) return FGM_OK; /* too few are left to learn from */
    fgm_fit_settings settings;
    fgm_fit_outcome outcome;
    fgm_fitter *fitter;
    fgm_class_settings(prepared, class, &settings);
    FGM_TRY(fgm_fitter_create(&fitter, whole->n_components, prepared->d));
    int status;
    if (state->are_ranked) { /* the fit to all rows, where the other one begins, has seen those left out */
        status = fgm_fit_from_start(fitter, &training, &settings, (uint64_t)first, FGM_BEST_START, NULL, -INFINITY, monitor, mixture, &outcome);
    } else {
        status = fgm_em(fitter, &training, &settings, &state->curvatures[class], settings.selection_tol, settings.selection_passes, monitor, mixture,
                        &outcome);
    }
    fgm_fitter_destroy(fitter);
    return status;
}

/* Values x become log 1 / (1 + exp -x). */
static void log_logistic(int64_t n, double *values) {
    double grown[FGM_TERMS_ROWS];
    for (int64_t at = 0; at < n; at += FGM_TERMS_ROWS) {
        int64_t count = n - at < FGM_TERMS_ROWS ? n - at : FGM_TERMS_ROWS;
        double *x = values + at;
        for (int64_t i = 0; i < count; ++i) grown[i] = -fabs(x[i]);
        fgm_get_kernels()->exp(count, grown, grown);
        for (int64_t i = 0; i < count; ++i) grown[i] += 1.0;
        fgm_get_kernels()->log(count, grown, grown);
        for (int64_t i = 0; i < count; ++i) x[i] = (x[i] < 0.0 ? x[i] : 0.0) - grown[i];
    }
}

/* A row so many places on, and round. */
static int64_t place_on(int64_t row, int64_t shift, int64_t n) { return row + shift < n ? row + shift : row + shift - n; }

/* Rows of which each x is put beside the y of others. */
typedef struct pairing {
    fgm_terms *terms;
    const fgm_layout *layout;
    fgm_samples rows;
    double *of_x, *of_y; /* (n): what T has of each by itself */
    double *columns;     /* (d, FGM_TERMS_ROWS) */
} pairing;

static int start_pairing(pairing *pairs, fgm_terms *terms, const fgm_layout *layout, fgm_samples rows) {
    *pairs = (pairing){.terms = terms, .layout = layout, .rows = rows};
    pairs->columns = fgm_allocate((size_t)rows.d * FGM_TERMS_ROWS + 2 * (size_t)rows.n);
    if (!pairs->columns) return FGM_ERROR_MEMORY;
    pairs->of_x = pairs->columns + rows.d * FGM_TERMS_ROWS;
    pairs->of_y = pairs->of_x + rows.n;
    for (int64_t at = 0; at < rows.n; at += FGM_TERMS_ROWS) {
        fgm_samples block = fgm_rows(rows, at, at + FGM_TERMS_ROWS);
        fgm_terms_evaluate_alone(terms, layout->columns[0], block, pairs->of_x + at);
        fgm_terms_evaluate_alone(terms, layout->columns[layout->d[0]], block, pairs->of_y + at);
    }
    return FGM_OK;
}

/* T of each x with the y of the row so many places on. */
static void mismatch(const pairing *pairs, int64_t shift, double *ratios /* (n) */) {
    fgm_samples rows = pairs->rows;
    for (int64_t at = 0; at < rows.n; at += FGM_TERMS_ROWS) {
        int64_t n = rows.n - at < FGM_TERMS_ROWS ? rows.n - at : FGM_TERMS_ROWS;
        for (int j = 0; j < pairs->layout->d[0] + pairs->layout->d[1]; ++j) {
            int place = pairs->layout->columns[j];
            int64_t by = j < pairs->layout->d[0] ? 0 : shift;
            double *to = pairs->columns + place * FGM_TERMS_ROWS;
            for (int64_t i = 0; i < n; ++i) to[i] = rows.columns[place * rows.stride + place_on(at + i, by, rows.n)];
        }
        fgm_terms_evaluate_joint(pairs->terms, (fgm_samples){n, FGM_TERMS_ROWS, rows.d, pairs->columns, NULL, NULL}, ratios + at);
    }
    for (int64_t i = 0; i < rows.n; ++i) ratios[i] += pairs->of_x[i] + pairs->of_y[place_on(i, shift, rows.n)];
}

static int64_t shift_by(int64_t s, int64_t n) { return n < 2 * SHIFTS ? s : s * n / (2 * SHIFTS + 1); }

/* Adds to the scores log 1 / (1 + exp T / M) of pairs of x and y from different rows, shifted to and fro. A pair counts for both of its rows, since
 * both move the mean: sums over rows scatter as the mean does (Hajek's projection, of which van der Vaart 1998, chapter 12). x and y can change
 * places. */
static int add_mismatched(const pairing *pairs, double *scores) {
    fgm_samples rows = pairs->rows;
    int64_t n = rows.n;
    double *memory = fgm_allocate((size_t)n * 4), total = 0.0, mean = 0.0;
    if (!memory) return FGM_ERROR_MEMORY;
    double *on = memory, *back = on + n, *told = back + n, *others = told + n;
    memset(told, 0, 2 * (size_t)n * sizeof *told);
    for (int64_t s = 1; s <= SHIFTS && 2 * s < n; ++s) {
        int64_t shift = shift_by(s, n);
        mismatch(pairs, shift, on);
        mismatch(pairs, n - shift, back);
        for (int64_t i = 0; i < n; ++i) {
            on[i] = log(MISMATCHED) - on[i];
            back[i] = log(MISMATCHED) - back[i];
        }
        log_logistic(n, on);
        log_logistic(n, back);
        for (int64_t i = 0; i < n; ++i) {
            int64_t next = place_on(i, shift, n), last = place_on(i, n - shift, n);
            double w_next = rows.weights ? rows.weights[next] : 1.0, w_last = rows.weights ? rows.weights[last] : 1.0;
            told[i] += (w_next * on[i] + w_last * back[i]) + (w_last * on[last] + w_next * back[next]);
            others[i] += w_next + w_last;
        }
    }
    for (int64_t i = 0; i < n; ++i) {
        double weight = rows.weights ? rows.weights[i] : 1.0;
        told[i] *= MISMATCHED / others[i];
        total += weight;
        mean += 0.5 * weight * told[i];
    }
    for (int64_t i = 0; i < n; ++i) scores[i] += told[i] - mean / total;
    fgm_release(memory);
    return FGM_OK;
}

static double sign_of(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0; }

/* Scores, T of each row, become how much more often than not T loses in all where two rows change their y: 0 in the mean where x and y are
 * independent, whatever T is. A pair counts for both rows, as above. Of two rows nothing is known. */
static int rank_pairs(const pairing *pairs, double *scores) {
    fgm_samples rows = pairs->rows;
    int64_t n = rows.n, n_shifts = 0;
    double *memory = fgm_allocate((size_t)n * 3), total = 0.0, mean = 0.0;
    if (!memory) return FGM_ERROR_MEMORY;
    double *on = memory, *back = on + n, *won = back + n;
    memset(won, 0, (size_t)n * sizeof *won);
    for (int64_t s = 1; s <= SHIFTS && 2 * s < n; ++s, ++n_shifts) {
        int64_t shift = shift_by(s, n);
        mismatch(pairs, shift, on);
        mismatch(pairs, n - shift, back);
        for (int64_t i = 0; i < n; ++i) {
            int64_t next = place_on(i, shift, n);
            double gain = sign_of(scores[i] + scores[next] - on[i] - back[next]);
            won[i] += gain;
            won[next] += gain;
        }
    }
    for (int64_t i = 0; i < n; ++i) {
        scores[i] = n_shifts > 0 ? won[i] / (double)n_shifts : 0.0;
        double weight = rows.weights ? rows.weights[i] : 1.0;
        total += weight;
        mean += 0.5 * weight * scores[i];
    }
    for (int64_t i = 0; i < n; ++i) scores[i] -= mean / total;
    fgm_release(memory);
    return FGM_OK;
}

/* The log ratio of rows first .. last-1 of one class. */
static int evaluate_class(cross_fit *state, int fold, fgm_terms *terms, int class, int64_t first, int64_t last) {
    double values[FGM_TERMS_ROWS];
    fgm_samples rows = fgm_rows(fgm_class_rows(state->prepared, class), first, last);
    double *scores = state->scores ? state->scores + state->prepared->classes.first[class] + first : NULL;
    for (int64_t at = 0; at < rows.n; at += FGM_TERMS_ROWS) {
        fgm_samples block = fgm_rows(rows, at, at + FGM_TERMS_ROWS);
        fgm_terms_evaluate(terms, class, block, values);
        for (int64_t i = 0; i < block.n; ++i) {
            double weight = block.weights ? block.weights[i] : 1.0;
            state->weight[fold] += weight;
            state->sum[fold] += weight * values[i];
            if (scores) scores[at + i] = values[i] - (state->are_told ? log(MISMATCHED) : 0.0);
        }
    }
    if (state->are_told) log_logistic(rows.n, scores);
    if (!state->are_ranked && !(state->are_told && rows.n > 2)) return FGM_OK;
    pairing pairs;
    FGM_TRY(start_pairing(&pairs, terms, &state->prepared->layout, rows));
    int status = state->are_told ? add_mismatched(&pairs, scores) : rank_pairs(&pairs, scores);
    fgm_release(pairs.columns);
    return status;
}

static int fit_without(const cross_fit *state, int fold, fgm_monitor *monitor, fgm_model *model) {
    const fgm_prepared *prepared = state->prepared;
    int n_classes = prepared->classes.n, n_folds = prepared->settings.options->n_folds;
    FGM_TRY(fgm_model_allocate(model, n_classes, prepared->d, prepared->classes.labels));
    memcpy(model->probabilities, state->whole->probabilities, (size_t)n_classes * sizeof *model->probabilities);
    double *within = fgm_allocate(FGM_TRIANGLE((size_t)prepared->d) + 1);
    if (!within) return FGM_ERROR_MEMORY;
    if (prepared->d > 0) fgm_within_covariance(prepared->samples, prepared->classes.first, n_classes, within);
    int status = FGM_OK;
    for (int c = 0; prepared->d > 0 && status == FGM_OK && c < n_classes; ++c) {
        fgm_samples rows = fgm_class_rows(prepared, c);
        status = fit_class_without(state, c, fgm_fold_start(rows, fold, n_folds), fgm_fold_start(rows, fold + 1, n_folds), within, monitor,
                                   &model->mixtures[c]);
    }
    fgm_release(within);
    return status;
}

static int fold_task(void *task_data, int64_t index, int is_caller) {
    cross_fit *state = task_data;
    const fgm_prepared *prepared = state->prepared;
    volatile int64_t nothing_done = 0;
    int fold = (int)index, n_folds = prepared->settings.options->n_folds;
    fgm_monitor monitor = fgm_monitor_start(prepared->settings.options, &nothing_done, prepared->settings.options->n_bootstrap, is_caller);
    fgm_model model = {0};
    fgm_terms *terms = NULL;
    int status = fit_without(state, fold, &monitor, &model);
    if (status == FGM_OK) status = fgm_terms_create(&terms, &model, &prepared->layout);
    for (int c = 0; status == FGM_OK && c < (fgm_is_divergence(&prepared->layout) ? 1 : prepared->classes.n); ++c) {
        fgm_samples rows = fgm_class_rows(prepared, c);
        status = evaluate_class(state, fold, terms, c, fgm_fold_start(rows, fold, n_folds), fgm_fold_start(rows, fold + 1, n_folds));
    }
    fgm_terms_destroy(terms);
    fgm_model_release(&model);
    return status;
}

static int run_folds(cross_fit *state) {
    const fgm_options *options = state->prepared->settings.options;
    int n_classes = state->prepared->classes.n;
    state->curvatures = calloc((size_t)n_classes, sizeof *state->curvatures);
    if (!state->curvatures) return FGM_ERROR_MEMORY;
    int status = state->are_ranked ? FGM_OK : fgm_find_curvatures(state->prepared, state->whole, state->curvatures);
    if (status == FGM_OK) status = fgm_run(options, options->n_folds, INFINITY, fold_task, state);
    fgm_release_curvatures(state->curvatures, n_classes);
    return status;
}

/* So that x and y of one row can be told from those of different rows. */
static bool is_pair(const fgm_prepared *prepared) {
    return prepared->layout.quantity == FGM_QUANTITY_INFORMATION && prepared->layout.d[2] == 0 && prepared->classes.n == 1;
}

int fgm_cross_fit(const fgm_prepared *prepared, const fgm_model *whole, double *mean, double *scores) {
    const fgm_options *options = prepared->settings.options;
    cross_fit state = {.prepared = prepared, .whole = whole, .are_told = scores && is_pair(prepared), .scores = scores};
    double weight = 0.0, sum = 0.0;
    FGM_TRY(run_folds(&state));
    for (int fold = 0; fold < options->n_folds; ++fold) {
        weight += state.weight[fold];
        sum += state.sum[fold];
    }
    *mean = sum / weight;
    return FGM_OK;
}

/* Mean of scores less others (NULL: 0) in its standard deviations, by the scatter over rows, or groups of rows. */
static double deviations_of(fgm_samples rows, const double *scores, const double *others /* (n) or NULL */) {
    double mean = fgm_weighted_mean(rows, scores) - (others ? fgm_weighted_mean(rows, others) : 0.0), total = 0.0, squares = 0.0, sum = 0.0;
    for (int64_t i = 0; i < rows.n; ++i) {
        double weight = rows.weights ? rows.weights[i] : 1.0;
        total += weight;
        sum += weight * (scores[i] - (others ? others[i] : 0.0) - mean);
        if (rows.groups && i + 1 < rows.n && rows.groups[i + 1] == rows.groups[i]) continue;
        squares += sum * sum;
        sum = 0.0;
    }
    if (!(squares > 0.0)) return mean < 0.0 ? -INFINITY : mean > 0.0 ? INFINITY : 0.0;
    return mean * total / sqrt(squares);
}

double fgm_odds(fgm_samples rows, const double *scores, const double *others) {
    double share = 0.5 * erfc(-SHARPENED * deviations_of(rows, scores, others) / sqrt(2.0));
    return share / (1.0 - share);
}

int fgm_rank_pairs(const fgm_prepared *prepared, const fgm_model *whole, double *deviations) {
    *deviations = INFINITY;
    if (!is_pair(prepared)) return FGM_OK;
    fgm_prepared some = *prepared;
    some.n = prepared->n < RANKED_ROWS ? prepared->n : RANKED_ROWS;
    some.samples = fgm_rows(prepared->samples, 0, some.n);
    some.classes.first = (int64_t[]){0, some.n};
    double *scores = fgm_allocate((size_t)some.n);
    cross_fit state = {.prepared = &some, .whole = whole, .scores = scores, .are_ranked = true};
    int status = scores ? run_folds(&state) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) *deviations = deviations_of(some.samples, scores, NULL);
    fgm_release(scores);
    return status;
}
