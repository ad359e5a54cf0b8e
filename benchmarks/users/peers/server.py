"""The service as one writes it with grpcio: users in a dictionary.

Takes the address to listen on and the folder with the contracts.
"""

import sys
from concurrent import futures

import grpc
from google.protobuf import timestamp_pb2

sys.path.insert(0, sys.argv[2])
user_pb2, user_pb2_grpc = grpc.protos_and_services("user/v1/user.proto")

USERS = {
    "1": user_pb2.User(
        id="1",
        email="john@example.com",
        name="John Doe",
        role=user_pb2.USER_ROLE_MEMBER,
        created_at=timestamp_pb2.Timestamp(seconds=1_760_000_000),
        updated_at=timestamp_pb2.Timestamp(seconds=1_760_000_000),
    )
}


class Service(user_pb2_grpc.UserServiceServicer):
    def GetUser(self, request, context):
        user = USERS.get(request.id)
        if user is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "User not found")
        return user_pb2.GetUserResponse(user=user)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
user_pb2_grpc.add_UserServiceServicer_to_server(Service(), server)
server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
