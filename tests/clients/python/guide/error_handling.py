try:
    memory = stub.GetMemory(request)
except grpc.RpcError as e:
    status_code = e.code()
    if status_code == grpc.StatusCode.NOT_FOUND:
        print("Memory not found")
    elif status_code == grpc.StatusCode.UNAUTHENTICATED:
        print("Authentication failed")
