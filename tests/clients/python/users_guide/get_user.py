import grpc
import user_pb2
import user_pb2_grpc

def main():
    # Create a gRPC channel
    with grpc.insecure_channel('localhost:50051') as channel:
        # Create a stub (client)
        stub = user_pb2_grpc.UserServiceStub(channel)

        # Make a GetUser request
        request = user_pb2.GetUserRequest(id=1)
        try:
            response = stub.GetUser(request)
            if response.user.id:
                print(f"User found: ID={response.user.id}, Name={response.user.name}, Email={response.user.email}")
            else:
                print("User not found")
        except grpc.RpcError as e:
            print(f"Error: {e.details()}")

if __name__ == "__main__":
    main()
