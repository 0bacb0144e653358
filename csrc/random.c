#include "random.h"
#include "normal_quantile.h"

#include <math.h>

static double tail_quantile(double tail) {
    double r = sqrt(-log(tail));
    return r <= FGM_NEAR_TAIL ? FGM_NEAR_TAIL_QUANTILE(r - 1.6) : FGM_FAR_TAIL_QUANTILE(r - FGM_NEAR_TAIL);
}

double fgm_normal_quantile(double probability) {
    double q = probability - 0.5;
    if (fabs(q) <= FGM_MIDDLE) return q * FGM_MIDDLE_QUANTILE(FGM_MIDDLE * FGM_MIDDLE - q * q);
    if (!(probability >= 0.0 && probability <= 1.0)) return NAN;
    if (probability == 0.0 || probability == 1.0) return q < 0.0 ? -INFINITY : INFINITY;
    return q < 0.0 ? -tail_quantile(probability) : tail_quantile(1.0 - probability);
}
