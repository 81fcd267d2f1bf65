#!/usr/bin/env bash
# Rank 0 does not grow with the number of instances of a range.
source "$(dirname "$0")/support.sh"

# Runs a rank, and writes the peak of its resident size in KiB to a file by rank.
cat >measured <<'PYTHON'
#!/usr/bin/env python3
import os, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1] + os.environ["OMPI_COMM_WORLD_RANK"], "w") as out:
    out.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
PYTHON
chmod +x measured

for size in 1 5000000; do
    timeout -k 2 100 mpirun -q -n 3 ./measured "peak-$size-" "$mapfleet" map basics:nothing \
        --range "0:$size" --run-dir "run-$size" >out 2>err </dev/null
    status=$?
    expect_status 0
done
rule "5,000,000 instances take rank 0 less than 64 MiB over its size at start"
grown=$(($(cat peak-5000000-0) - $(cat peak-1-0)))
echo "grown by $grown KiB"
[ "$grown" -lt 65536 ] || fail "rank 0 grew by $grown KiB"
exit 0
