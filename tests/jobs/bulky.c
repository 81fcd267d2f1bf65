/* A task whose outputs are many bytes, and do not shrink. */
#include <mapfleet.h>

#define WORD_COUNT ((size_t)32 * 1024)

static mf_status noise(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    static uint64_t words[WORD_COUNT];
    uint64_t state = mf_seed(ctx);
    (void)input;
    for (size_t i = 0; i < WORD_COUNT; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        words[i] = state ^ state >> 32;
    }
    mf_put_bytes(output, words, sizeof(words));
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "noise",
                                     .fn = noise,
                                     .input = "int",
                                     .output = "bytes",
                                     .help = "256 KiB of noise."});
}
