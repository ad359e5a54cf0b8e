# Client-side deadline
response = stub.GetUser(
    request,
    timeout=5  # 5 seconds
)
