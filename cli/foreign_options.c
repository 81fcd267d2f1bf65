#include "cli/foreign_options.h"

#include <stddef.h>
#include <string.h>

#define NO_ARGUMENTS "takes one input a command: --colsep makes several columns of a line, {1} {2}"
#define ONE_PLACE "placeholders are {}, {1} and {name}, and have no other form"
#define LAUNCH "mapfleet launch --hosts or --hostfile starts exec on several hosts"
#define PIPE "nothing is cut into blocks: split the file, or give --stdin value to feed each input"
#define RESULTS "mapfleet results RUN --table has state, attempts, seconds and exit of every input"
#define NOT_SPLIT "arguments are never split at blanks, so that there is nothing to quote"

/* Those of one letter may have their value behind it. */
static const struct {
    const char *names; /* between bars */
    const char *advice;
} rows[] = {
    {"--halt|--halt-on-error", "--halt: --policy stop ends the run at the first failure, "
                               "--max-failures N after N, --policy enough at enough successes"},
    {"--joblog", "--joblog: " RESULTS},
    {"--results|--res|--files0|--output-as-files",
     "--results: the run directory (--run-dir) keeps all outputs; --capture all also standard "
     "error; mapfleet results RUN prints them"},
    {"--bar|--eta", "--bar: lines of progress are the default (--progress), and mapfleet status "
                    "RUN --watch shows a run from elsewhere"},
    {"--sshloginfile|--slf|--sshlogin|-S|--controlmaster|-M", "-S, --sshlogin: " LAUNCH},
    {"--pipe|--spreadstdin|--pipepart|--pipe-part|--block|--block-size|--recstart|--recend|"
     "--round-robin|--roundrobin|--fifo|--cat",
     "--pipe: " PIPE},
    {"-a|--arg-file", "-a, --arg-file: --inputs FILE, or --zip NAME=FILE for each of several"},
    {"-P|--max-procs|--jobs", "--jobs: -j N, slots of each rank"},
    {"-N|-n|--max-args|-L|-l|--max-lines|--max-replace-args", "-N, -n, -L: exec " NO_ARGUMENTS},
    {"-X|-m|--xargs|-x|-s|--max-chars", "-X, --xargs: exec " NO_ARGUMENTS},
    {"-I|-i|--replace|--rpl|--plus|--seqreplace|--slotreplace|-U|--extensionreplace",
     "-I: " ONE_PLACE},
    {"-0|--null", "-0: inputs are lines: `tr '\\0' '\\n' | mapfleet exec --inputs -`, or --files "
                  "GLOB for names with newlines"},
    {"-d|--delimiter", "-d: inputs are lines: `tr`, or --colsep for columns of a line"},
    {"-q|--quote|--shellquote|--shell-quote", "-q: " NOT_SPLIT},
    {"--dryrun", "--dryrun: --dry-run"},
    {"-C", "-C: --colsep EXPR"},
    {"--tag|--tagstring|--ctag|--ctagstring",
     "--tag: let the command print its input, as in --shell -- 'cmd {} | sed s/^/{}: /', or see "
     "mapfleet results RUN --table"},
    {"--lb|--line-buffer|--linebuffer|-u|--ungroup|--group",
     "-u, --line-buffer: what a command prints is never torn; --capture none with --output none "
     "passes it on at once"},
    {"--memfree|--memsuspend|--load|--nice|--noswap|--limit",
     "--load, --memfree: --mem and --cpus say what an attempt needs; what does not fit waits"},
    {"--tmpdir|--tempdir|--tmux|--tmuxpane", "--tmpdir: $TMPDIR holds working directories"},
    {"--wd|--workdir|--cleanup|--transfer|--transferfile|--tf|--return|--trc|--basefile|--bf",
     "--workdir: a command starts where the run was started; MAPFLEET_WORKDIR is a folder of its "
     "own, from which --output-file takes what it made"},
    {"--env", "--env: a command has the whole environment; exported bash functions go along under "
              "--shell"},
    {"--sem|--semaphore|--semaphorename|--id|--fg|--bg|--wait",
     "--sem: exec runs all of its inputs itself: --concurrency caps them over all ranks"},
    {"--link|--xapply", "--link: :::+ goes along with the list before it; --zip does with files"},
    {"--header", "--header: .csv and .tsv have a header that names the fields"},
    {"--shuf", "--shuf: `shuf FILE | mapfleet exec --inputs -`"},
    {"--resume-failed|--retry-failed", "--resume-failed: --run-dir DIR --resume=failed"},
    {"-r|--no-run-if-empty", "-r: an empty list runs nothing, and succeeds"},
    {"-v|-t|--verbose", "-v, -t: --dry-run shows command lines, and mapfleet results RUN --table "
                        "what became of them"},
    {"--will-cite|--citation|--bibtex|--gnu|--silent", "there is no such option here: leave it "
                                                       "out"},
    {"--compress|--compress-program|--keep-order-buffer", "outputs are compressed in any case: "
                                                          "leave it out"},
};

/* Is it one of them? A value may stand behind a letter, or behind = */
static int is_one_of(const char *names, const char *word)
{
    const size_t word_size = word[1] == '-' ? strcspn(word, "=") : 2;
    for (const char *at = names; at != NULL; at = strchr(at, '|')) {
        at += *at == '|' ? 1 : 0;
        const size_t size = strcspn(at, "|");
        if (size == word_size && strncmp(at, word, size) == 0) {
            return 1;
        }
    }
    return 0;
}

const char *foreign_option_advice(const char *word)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is_one_of(rows[i].names, word)) {
            return rows[i].advice;
        }
    }
    return NULL;
}
