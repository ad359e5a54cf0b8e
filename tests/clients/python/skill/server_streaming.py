# Receive stream
response_stream = stub.ListUsers(users_pb2.ListUsersRequest(page_size=10))

for user in response_stream:
    print(f'User: {user.name} ({user.email})')
