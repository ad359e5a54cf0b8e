"""The peer of the exact vector scan: faiss-cpu's IndexFlatIP on one thread.

Arguments: rows file, queries file (raw little-endian f32), dimension, limit.
Says what it is on the first line of its output, as JSON. Then, for each line
that it reads, it searches every query once, one at a time, and answers with
one line of JSON: the seconds each took, and the ids it found.
"""

import json
import sys
import time

import faiss
import numpy


def main():
    rows_file, queries_file, dimension, limit = sys.argv[1:]
    dimension, limit = int(dimension), int(limit)
    faiss.omp_set_num_threads(1)
    rows = numpy.fromfile(rows_file, dtype="<f4").reshape(-1, dimension)
    queries = numpy.fromfile(queries_file, dtype="<f4").reshape(-1, dimension)
    index = faiss.IndexFlatIP(dimension)
    index.add(rows)
    del rows
    version = {
        "faiss": faiss.__version__,
        "numpy": numpy.__version__,
        "python": sys.version.split()[0],
    }
    print(json.dumps(version), flush=True)
    for line in sys.stdin:
        seconds, ids = [], []
        for query in queries:
            query = query[None, :]
            started = time.perf_counter()
            _, found = index.search(query, limit)
            seconds.append(time.perf_counter() - started)
            ids.append(found[0].tolist())
        print(json.dumps({"seconds": seconds, "ids": ids}), flush=True)


main()
