"""Stores a memory and finds it again; see the README for the stubs it needs."""

import grpc
from somafractalmemory.v1 import memory_pb2, memory_pb2_grpc

# Create channel
channel = grpc.insecure_channel('localhost:50051')
stub = memory_pb2_grpc.MemoryServiceStub(channel)

# Store memory
request = memory_pb2.StoreMemoryRequest(
    content="Example content",
    metadata={"type": "note"},
    vector=[0.1, 0.2, 0.3]
)
memory = stub.StoreMemory(request)

# Search vectors
search_request = memory_pb2.SearchVectorRequest(
    vector=[0.1, 0.2, 0.3],
    limit=5
)
results = stub.SearchVector(search_request)

for found, score in zip(results.memories, results.scores):
    print(f"{score:.3f}  {found.content}  {dict(found.metadata)}")
