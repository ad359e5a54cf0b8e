# Health check
health_stub = health_pb2_grpc.HealthStub(channel)
response = health_stub.Check(health_pb2.HealthCheckRequest())
