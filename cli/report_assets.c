#include "cli/report_assets.h"

/* The assembler puts the files in as they are: no tool of ours, no generated source, and compilers
 * have nothing to read. CMakeLists.txt says that this file depends on them, and where they are. */
#define ASSET(name, path)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl mf_asset_" #name "\n.hidden mf_asset_" #name "\nmf_asset_" #name ":\n"         \
            ".incbin \"" path "\"\n"                                                               \
            ".globl mf_asset_" #name "_end\n.hidden mf_asset_" #name "_end\nmf_asset_" #name       \
            "_end:\n.byte 0\n.popsection\n");                                                      \
    extern const char mf_asset_##name[];                                                           \
    extern const char mf_asset_##name##_end[];                                                     \
    struct report_asset report_asset_##name(void)                                                  \
    {                                                                                              \
        return (struct report_asset){.text = mf_asset_##name,                                      \
                                     .size = (size_t)(mf_asset_##name##_end - mf_asset_##name)};   \
    }

ASSET(js, MF_SOURCE_DIR "/cli/page/report.js")
ASSET(css, MF_SOURCE_DIR "/cli/page/report.css")
ASSET(plot_js, MF_SOURCE_DIR "/cli/page/uplot/uPlot.iife.min.js")
ASSET(plot_license, MF_SOURCE_DIR "/cli/page/uplot/LICENSE")
ASSET(plot_css, MF_SOURCE_DIR "/cli/page/uplot/uPlot.min.css")
