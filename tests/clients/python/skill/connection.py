# Reuse channels (don't create per-request)
channel = grpc.insecure_channel('localhost:50051')
stub = users_pb2_grpc.UserServiceStub(channel)

# Close when done
channel.close()

# Connection options
channel = grpc.insecure_channel(
    'localhost:50051',
    options=[
        ('grpc.max_receive_message_length', 10 * 1024 * 1024),  # 10 MB
        ('grpc.max_send_message_length', 10 * 1024 * 1024),     # 10 MB
        ('grpc.keepalive_time_ms', 30000),                       # 30 seconds
    ]
)
