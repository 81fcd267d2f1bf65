/* functions.c - a job of functions whose least value is known, for sweeps that look for it. */
#include <mapfleet.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define PI 3.14159265358979323846

static double number(const mf_value *record, const char *name)
{
    return mf_float(mf_field(record, name));
}

/* (x - 3)^2, reported on the way as twice and once that; below 0 it fails. While the folder
 * `slowly` is there, it takes its time. */
static mf_status bowl(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const double x = number(input, "x");
    const double value = (x - 3) * (x - 3);
    while (access("slowly", F_OK) == 0 && !mf_should_stop(ctx)) {
        (void)usleep(10000);
    }
    if (x < 0) {
        return mf_fail_permanently(ctx, "below 0");
    }
    mf_report(ctx, 1, 2 * value);
    mf_report(ctx, 2, value);
    mf_put_float(output, value);
    return MF_OK;
}

/* Two variables, three equal minima of 0.397887. */
static mf_status branin(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const double x = number(input, "x");
    const double y = number(input, "y");
    const double bent = y - 5.1 / (4 * PI * PI) * x * x + 5 / PI * x - 6;
    const double value = bent * bent + 10 * (1 - 1 / (8 * PI)) * cos(x) + 10;
    mf_report(ctx, 1, value);
    mf_put_float(output, value);
    return MF_OK;
}

/* Six variables between 0 and 1, a minimum of -3.32237. */
static mf_status hartmann6(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    static const double alpha[4] = {1.0, 1.2, 3.0, 3.2};
    static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                   {0.05, 10, 17, 0.1, 8, 14},
                                   {3, 3.5, 1.7, 10, 17, 8},
                                   {17, 8, 0.05, 10, 0.1, 14}};
    static const double p[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                   {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                   {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                   {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
    static const char *const names[6] = {"a", "b", "c", "d", "e", "f"};
    double value = 0;
    for (int i = 0; i < 4; i++) {
        double sum = 0;
        for (int j = 0; j < 6; j++) {
            const double from = number(input, names[j]) - p[i][j];
            sum += a[i][j] * from * from;
        }
        value -= alpha[i] * exp(-sum);
    }
    mf_report(ctx, 1, value);
    mf_put_float(output, value);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(
        job, &(mf_task){.name = "bowl", .fn = bowl, .input = "{x: float}", .output = "float"});
    mf_register_task(job, &(mf_task){.name = "branin",
                                     .fn = branin,
                                     .input = "{x: float, y: float}",
                                     .output = "float"});
    mf_register_task(job, &(mf_task){.name = "hartmann6",
                                     .fn = hartmann6,
                                     .input = "{a: float, b: float, c: float, d: float, e: float, "
                                              "f: float}",
                                     .output = "float"});
}
