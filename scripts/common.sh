# Sourced by the other scripts, from any directory. Leaves the shell in the project's top folder.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# install_missing [LIST]: install those of packages.txt, or of another list, that are not here yet;
# with none missing, needs no network.
install_missing() {
    local list=${1-scripts/packages.txt}
    if ! command -v dpkg-query >/dev/null; then
        echo "not a Debian system: $list names what is needed" >&2
        return 0
    fi
    local package missing=()
    while read -r package; do
        if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            missing+=("$package")
        fi
    done < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$list")
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi

    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    echo "installing: ${missing[*]}" >&2
    "${as_root[@]}" apt-get update -q &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Where apt takes Debian from.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep -m1 -E '/debian/?$'
}

# What Open MPI needs to start more ranks than cores on this one host.
mpi_environment() {
    export OMPI_MCA_rmaps_base_oversubscribe=1
    export OMPI_MCA_hwloc_base_binding_policy=none
    export OMPI_MCA_btl=self,vader
    export OMPI_MCA_oob_tcp_if_include=lo
    export OMPI_MCA_btl_tcp_if_include=lo
    if [ "$(id -u)" -eq 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1
        export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
}

# within PRESET COMMAND...: the command where things of that preset are built and run.
within() {
    local preset=$1
    shift
    case $preset in
    debian13*) scripts/debian13 "$@" ;;
    *) "$@" ;;
    esac
}

# build PRESET: configure and build.
build() { # build PRESET [TARGET...]: everything, or these targets
    local preset=$1
    shift
    within "$preset" cmake --preset "${preset/#system/dev}" &&
        within "$preset" cmake --build --preset "$preset" ${*:+--target "$@"}
}

# The C files of the project, tracked or not yet, NUL after each.
list_sources() {
    local file
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h'
    else
        find . -path ./build -prune -o -name '*.[ch]' -printf '%P\0'
    fi | while IFS= read -r -d '' file; do
        case "$file" in
        vendor/* | */vendor/*) ;;
        *)
            if [ -e "$file" ]; then
                printf '%s\0' "$file"
            fi
            ;;
        esac
    done
}
