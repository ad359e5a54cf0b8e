# Client: Send metadata
metadata = [
    ('authorization', 'Bearer token123'),
    ('request-id', 'abc-123')
]
response = stub.GetUser(request, metadata=metadata)
