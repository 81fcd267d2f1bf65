/* report_assets.h - what the page of a report carries as it is: its script and its style, and those
 * of the plotting library.
 */
#ifndef CLI_REPORT_ASSETS_H
#define CLI_REPORT_ASSETS_H

#include <stddef.h>

struct report_asset {
    const char *text; /* not NUL-terminated; static */
    size_t size;
};

struct report_asset report_asset_js(void);
struct report_asset report_asset_css(void);
struct report_asset report_asset_plot_js(void);
struct report_asset report_asset_plot_license(void);
struct report_asset report_asset_plot_css(void);

#endif
