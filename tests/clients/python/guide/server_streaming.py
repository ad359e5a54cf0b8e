# Stream memories
request = memory_pb2.StreamMemoriesRequest(
    query="example",
    filters={"type": "note"}
)

for memory in stub.StreamMemories(request):
    print(f"Received memory: {memory.id}")
