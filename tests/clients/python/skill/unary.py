import grpc
import users_pb2
import users_pb2_grpc

# Create channel
channel = grpc.insecure_channel('localhost:50051')
stub = users_pb2_grpc.UserServiceStub(channel)

# Call RPC
try:
    response = stub.GetUser(users_pb2.GetUserRequest(id='123'))
    print(f'User: {response.user.name}')
except grpc.RpcError as e:
    print(f'Error: {e.code()} - {e.details()}')
