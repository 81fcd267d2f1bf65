"""The squares of a range with mpi4py.futures; prints count and seconds.

mpirun -n 3 python3 -m mpi4py.futures bench/futures.py COUNT CHUNK
"""

import sys
import time

from mpi4py.futures import MPIPoolExecutor


def square(value):
    return value * value


def main():
    count, chunk = int(sys.argv[1]), int(sys.argv[2])
    with MPIPoolExecutor() as executor:
        executor.bootup(wait=True)
        start = time.perf_counter()
        results = list(executor.map(square, range(count), chunksize=chunk))
        seconds = time.perf_counter() - start
    assert results[-1] == (count - 1) ** 2
    print(f"count={count} seconds={seconds:.6f}")


if __name__ == "__main__":
    main()
