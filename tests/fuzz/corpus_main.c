/* corpus_main.c - runs a fuzz target over the files of a folder: for builds without libFuzzer. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "master/file.h"
#include "shared/buffer.h"
#include "tests/fuzz/fuzz.h"

static int run_file(const char *path)
{
    struct buffer bytes = {0};
    struct error err;
    if (file_read(path, &bytes, &err) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)LLVMFuzzerTestOneInput(bytes.data, bytes.size);
    buffer_free(&bytes);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        (void)fprintf(stderr, "usage: fuzz_... CORPUS\n");
        return 2;
    }
    int result = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        result = run_file(path) != 0 ? 1 : result;
        count++;
    }
    (void)closedir(dir);
    (void)printf("%u inputs\n", count);
    return count > 0 ? result : 1;
}
