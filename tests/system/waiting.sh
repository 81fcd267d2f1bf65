#!/usr/bin/env bash
# A rank with nothing to do costs next to no processor time.
source "$(dirname "$0")/support.sh"

cat >measured <<'PYTHON'
#!/usr/bin/env python3
import os, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1] + os.environ["OMPI_COMM_WORLD_RANK"], "w") as out:
    out.write(str(used.ru_utime + used.ru_stime))
sys.exit(status)
PYTHON
chmod +x measured
echo '{"ms": 4000}' >one.jsonl
echo '{"ms": 0}' >none.jsonl

for file in none one; do
    timeout -k 2 60 mpirun -q -n 4 ./measured "cpu-$file-" "$mapfleet" map basics:sleep \
        --inputs "$file.jsonl" >out 2>err </dev/null
    status=$?
    expect_status 0
done
rule "three ranks that wait 4 s for a fourth use less than a tenth of a core together"
python3 - <<'PYTHON' || fail "waiting costs too much"
def total(name):
    return sum(float(open(f"cpu-{name}-{rank}").read()) for rank in range(4))

used = total("one") - total("none")
print(f"{used:.3f} s of processor time in 4 s")
assert used < 0.4, used
PYTHON
exit 0
