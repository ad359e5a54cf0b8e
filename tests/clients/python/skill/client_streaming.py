def request_generator():
    # Generate stream of requests
    for i in range(5):
        yield users_pb2.CreateUserRequest(
            email=f'user{i}@example.com',
            name=f'User {i}'
        )

# Send stream
response = stub.CreateUsers(request_generator())
print(f'Created {response.created_count} users')
