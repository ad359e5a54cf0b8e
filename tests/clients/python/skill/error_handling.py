try:
    response = stub.GetUser(
        users_pb2.GetUserRequest(id='123'),
        timeout=5  # Deadline in seconds
    )
    print(f'User: {response.user.name}')

except grpc.RpcError as e:
    # Handle specific errors
    if e.code() == grpc.StatusCode.NOT_FOUND:
        print('User not found')
    elif e.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        print('Request timeout')
    elif e.code() == grpc.StatusCode.UNAUTHENTICATED:
        print('Authentication required')
    else:
        print(f'Error: {e.code()} - {e.details()}')
