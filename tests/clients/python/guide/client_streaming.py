# Batch store memories
def memory_generator():
    for content in contents:
        yield memory_pb2.StoreMemoryRequest(
            content=content,
            metadata={"type": "note"}
        )

responses = stub.BatchStoreMemories(memory_generator())
