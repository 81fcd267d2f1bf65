#include <stddef.h>

#include "shared/mapfleet.h"

int main(int argc, char **argv)
{
    return mf_main(argc, argv, NULL);
}
