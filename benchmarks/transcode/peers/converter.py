"""Python's protobuf with its JSON, measured by the benchmark's commands.

They are listed in converter.cc. The argument is a descriptor set.
"""

import platform
import sys
from pathlib import Path
from time import thread_time_ns

import google.protobuf
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.internal import api_implementation


class Sample:
    def __init__(self, kind, json, wire):
        self.kind, self.json, self.wire = kind, json, wire

    def read(self):
        return json_format.Parse(self.json, self.kind()).SerializeToString()

    def write(self):
        return json_format.MessageToJson(self.kind.FromString(self.wire), indent=None)


def answer(pool, samples, words):
    match words:
        case ["sample", name, kind, json, wire]:
            kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(kind))
            samples[name] = Sample(kind, Path(json).read_bytes(), Path(wire).read_bytes())
            return "ok"
        case ["output", name, way, file]:
            output = getattr(samples[name], way)()
            Path(file).write_bytes(output if way == "read" else output.encode())
            return "ok"
        case ["time", name, way, times]:
            work = getattr(samples[name], way)
            started = thread_time_ns()
            for _ in range(int(times)):
                work()
            return thread_time_ns() - started
        case ["allocations", _, _]:
            return "-"
    raise ValueError(f"unknown command {words}")


def main():
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    for file in files.file:
        pool.Add(file)
    print(
        f"Python's protobuf {google.protobuf.__version__} ({api_implementation.Type()})"
        f" on Python {platform.python_version()}",
        flush=True,
    )
    samples = {}
    for line in sys.stdin:
        try:
            said = answer(pool, samples, line.rstrip("\n").split("\t"))
        except Exception as error:  # whatever it is, the benchmark tells it
            said = "error: " + " ".join(str(error).split())
        print(said, flush=True)


main()
