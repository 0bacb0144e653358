/* Views of sample sets, and the watch over one long job. */
#include "core.h"

fgm_samples fgm_rows(fgm_samples samples, int64_t first, int64_t last) {
    if (last > samples.n) last = samples.n;
    samples.columns += first;
    if (samples.weights) samples.weights += first;
    if (samples.groups) samples.groups += first;
    samples.n = last - first;
    return samples;
}

int64_t fgm_count_groups(fgm_samples samples) {
    if (!samples.groups) return samples.n;
    int64_t count = 0;
    for (int64_t i = 0; i < samples.n; ++i) count += i == 0 || samples.groups[i] != samples.groups[i - 1];
    return count;
}

double fgm_effective_samples(fgm_samples samples) {
    if (!samples.weights) return (double)samples.n;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < samples.n; ++i) {
        sum += samples.weights[i];
        squares += samples.weights[i] * samples.weights[i];
    }
    return sum * sum / squares;
}

double fgm_weighted_mean(fgm_samples samples, const double *values) {
    double total = 0.0, sum = 0.0;
    for (int64_t i = 0; i < samples.n; ++i) {
        double weight = samples.weights ? samples.weights[i] : 1.0;
        total += weight;
        sum += weight * values[i];
    }
    return sum / total;
}

int64_t fgm_fold_start(fgm_samples samples, int fold, int n_folds) {
    int64_t row = fold * samples.n / n_folds;
    while (samples.groups && row > 0 && row < samples.n && samples.groups[row] == samples.groups[row - 1]) ++row;
    return row;
}

static double total_weight(fgm_samples samples) {
    if (!samples.weights) return (double)samples.n;
    double sums[4] = {0.0, 0.0, 0.0, 0.0}; /* one addition need not wait for the other */
    int64_t i = 0;
    for (; i + 4 <= samples.n; i += 4) {
        for (int j = 0; j < 4; ++j) sums[j] += samples.weights[i + j];
    }
    for (; i < samples.n; ++i) sums[0] += samples.weights[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

fgm_training fgm_training_of(fgm_samples samples) { return (fgm_training){.parts = {samples}, .n_parts = 1, .total_weight = total_weight(samples)}; }

fgm_training fgm_training_without(fgm_samples samples, int64_t first, int64_t last) {
    fgm_training training = {.parts = {fgm_rows(samples, 0, first), fgm_rows(samples, last, samples.n)}, .n_parts = 2};
    training.total_weight = total_weight(training.parts[0]) + total_weight(training.parts[1]);
    return training;
}

int64_t fgm_count_rows(const fgm_training *training) {
    int64_t n = 0;
    for (int part = 0; part < training->n_parts; ++part) n += training->parts[part].n;
    return n;
}

fgm_training fgm_training_of_draws(fgm_samples samples, uint64_t key, bool is_for_one) {
    fgm_training training = {.parts = {samples}, .n_parts = 1, .is_drawn = true, .draw = key};
    if (is_for_one) return training;
    double weights[FGM_DRAWN_AT_ONCE];
    for (int64_t first = 0; first < samples.n; first += FGM_DRAWN_AT_ONCE) {
        int count = samples.n - first < FGM_DRAWN_AT_ONCE ? (int)(samples.n - first) : FGM_DRAWN_AT_ONCE;
        fgm_get_kernels()->draw_weights(key, first, count, weights);
        for (int i = 0; samples.weights && i < count; ++i) weights[i] *= samples.weights[first + i];
        training.total_weight += total_weight((fgm_samples){.n = count, .weights = weights});
    }
    return training;
}

#define WORK_BETWEEN_LOOKS 5e5 /* samples times components: about a millisecond */

fgm_monitor fgm_monitor_start(const fgm_options *options, volatile int64_t *done, int64_t total, int is_caller) {
    return (fgm_monitor){
        .cancel = options->cancel,
        .poll = is_caller && !fgm_is_on_helper() ? options->poll : NULL,
        .poll_data = options->poll_data,
        .done = done,
        .total = total,
        .crew = fgm_crew_of(options),
    };
}

int fgm_monitor_add(fgm_monitor *monitor, double work) {
    monitor->work += work;
    if (monitor->work < WORK_BETWEEN_LOOKS) return FGM_OK;
    monitor->work = 0.0;
    if ((monitor->cancel && *monitor->cancel) || fgm_crew_is_cancelled(monitor->crew)) return FGM_ERROR_CANCELLED;
    if (monitor->poll && monitor->poll(monitor->poll_data, *monitor->done, monitor->total)) return FGM_ERROR_CANCELLED;
    return FGM_OK;
}

#define WORK_TO_SHARE 5e3 /* terms of densities: some microseconds */

int fgm_run(const fgm_options *options, int64_t n_tasks, double work, fgm_task task, void *task_data) {
    fgm_crew *crew = fgm_crew_of(options);
    if (crew && n_tasks > 1 && work >= WORK_TO_SHARE) return fgm_crew_run(crew, n_tasks, work, task, task_data);
    for (int64_t i = 0; i < n_tasks; ++i) FGM_TRY(task(task_data, i, 1));
    return FGM_OK;
}
